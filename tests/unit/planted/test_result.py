"""The result of planted truth: its counts add up, and the committed one follows its rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planted_toys import result, trial

from harness.core.documents import read_result
from harness.core.errors import DamagedFileError
from harness.core.markdown_table import markdown
from harness.findings.activity import CompositionResult
from harness.planted.result import PlantedResult
from harness.planted.rule import (
    RULES,
    composition_contrast,
    confusion,
    label,
)
from harness.planted.sheet import confusion_sheet, sheets


def read_planted(path: Path) -> PlantedResult:
    return read_result(path, PlantedResult, what="the result of the planted truth", made_by="planted-truth")


def test_a_result_by_hand() -> None:
    """Seed 1 in order, seed 2 not; the mixed ones come out as style once and as truth once."""
    found = result(
        trial("style-heavy", 1, 0.9), trial("mixed", 1, 0.5), trial("truth-heavy", 1, -0.9),
        trial("style-heavy", 2, 0.0), trial("mixed", 2, -0.5), trial("truth-heavy", 2, -0.4),
    )  # fmt: skip
    assert found.order == {name: {"1": True, "2": False} for name in RULES}
    assert found.confusion["ablation"]["mixed"] == {"style-heavy": 1, "mixed": 0, "truth-heavy": 1}
    assert found.confusion["ablation"]["style-heavy"] == {"style-heavy": 1, "mixed": 1, "truth-heavy": 0}
    assert found.confusion["ablation"]["truth-heavy"] == {"style-heavy": 0, "mixed": 0, "truth-heavy": 2}
    sheet = confusion_sheet(found)
    assert sheet.rows[0].texts == ("Composition (Table 2)", "style-heavy", "1", "1", "0")
    assert "6 trainings: one for each reward and each of 2 training seed(s) (1, 2)" in sheet.notes[0]
    assert "1 of 2 seeds" in sheet.notes[1]
    assert "uncommitted" not in sheet.notes[2]
    assert all(markdown(one).count("\n") > 5 for one in sheets(found))


def test_uncommitted_changes_anywhere_mark_the_result() -> None:
    found = result(trial("mixed", 1, 0.0), dirty=True)
    assert found.dirty is True
    assert "with uncommitted changes" in confusion_sheet(found).notes[2]
    assert result(trial("mixed", 1, 0.0), dirty=None).dirty is None
    assert found.order["ablation"] == {}


def test_the_artefact_has_a_version(tmp_path: Path) -> None:
    found = result(trial("mixed", 1, 0.0))
    path = tmp_path / "planted-truth.json"
    path.write_text(found.model_dump_json())
    assert read_planted(path) == found
    for broken in ({"schema_version": 0}, {"profile": 3}):
        path.write_text(json.dumps(found.model_dump(mode="json") | broken))
        with pytest.raises(DamagedFileError, match="planted truth"):
            read_planted(path)


def test_the_committed_result_follows_its_rules() -> None:
    root = Path(__file__).parents[3] / "results" / "miniature"
    found = [read_planted(path) for path in root.glob("*/planted-truth/planted-truth.json")]
    assert found
    for one in found:
        assert one.dirty is False
        assert one.margins == {name: rule.margin for name, rule in RULES.items()}
        for each in one.trials:
            assert each.recovered == {
                name: label(each.contrasts[name], rule.margin) for name, rule in RULES.items()
            }
            kept = CompositionResult(rows=each.composition, examples=1, resamples=1, seed=0)
            assert composition_contrast(kept) == pytest.approx(each.contrasts["composition"])
        for name, table in one.confusion.items():
            assert table == confusion((each.reward, each.recovered[name]) for each in one.trials)
