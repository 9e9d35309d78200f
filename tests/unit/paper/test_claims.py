"""The paper's claims: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.core.errors import DamagedFileError, MissingInputError
from harness.paper.claims import Claim, Paper, read_paper

GSM8K = ("gsm8k.strict-match", "gsm8k.flexible-extract")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "lost", "printed": None},
        {"status": "artefact"},
        {"status": "lost", "predicates": (), "printed": "56.9", "reason": "x"},
        {"predicates": (), "reason": ""},
    ],
)
def test_a_claim_that_could_give_a_false_verdict_is_refused(change: dict[str, Any]) -> None:
    good = next(claim for claim in read_paper().claims if claim.id == "loss-full-value")
    with pytest.raises(ValidationError):
        Claim.model_validate({**good.model_dump(), **change})


def test_claims_with_one_id_are_refused() -> None:
    paper = read_paper()
    with pytest.raises(ValidationError, match="same id"):
        Paper.model_validate({**paper.model_dump(), "claims": [paper.claims[0], paper.claims[0]]})


def test_a_comparison_has_one_smallest_difference_worth_knowing() -> None:
    paper = read_paper()
    assert paper.smallest[frozenset(("fsrl", "base")), "preference.loss"] == 0.1
    assert paper.smallest[frozenset(("fsrl", "full-simpo")), "mmlu.acc"] == 0.01
    claim = next(claim for claim in paper.claims if claim.id == "mmlu-full-more").model_dump(mode="json")
    claim["predicates"][0] |= {"smallest": 0.02, "arm": "fsrl", "reference": "full-simpo"}
    again = {**claim, "id": "the same pair, the other way round"}
    with pytest.raises(ValidationError, match=r"several smallest differences.*mmlu\.acc"):
        Paper.model_validate({**paper.model_dump(), "claims": [*paper.model_dump()["claims"], again]})


def test_cells_of_the_paper() -> None:
    paper = read_paper()
    assert paper.printed("full-simpo/preference.loss") == "2.19"
    assert paper.printed("fsrl/preference.loss") == "2.73"
    assert paper.printed("base/preference.loss") is None
    for arm in ("base", "full-simpo", "fsrl"):
        for name in ("mmlu.acc", "truthfulqa_mc2.acc", *GSM8K):
            assert paper.printed(f"{arm}/{name}") == "lost"


def test_a_damaged_or_missing_file_of_claims(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_paper(tmp_path / "paper.json")
    (tmp_path / "paper.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(DamagedFileError):
        read_paper(tmp_path / "paper.json")
