"""Which pairs are used: what is left out and counted, and when the run is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_toys as toys

from harness.core.errors import DataError
from harness.core.results import Truncation
from harness.profiles.sections import DataSection
from harness.training.pairs import read_pairs, tokenise_pairs
from harness.training.usable import left_out, usable_pairs

GOOD = toys.row("Hi", "yes", "no")
EMPTY = toys.row("Hi", "yes", " \n")
LONG = toys.row("x" * 60, "yes", "no")
"""Its prompt has 69 tokens, which all bounds below allow and leave nothing behind."""


def data(**changes: Any) -> DataSection:
    bounds = {"max_length": 69, "max_prompt_length": 69}
    return toys.profile().data.model_copy(update=bounds | changes)


def test_rows_that_cannot_be_used_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [GOOD, EMPTY, *[GOOD] * 57, toys.row("Hi", "", "no"), LONG]
    path = toys.write_rows(tmp_path / "p.jsonl", rows)
    used = usable_pairs(path, 0, toys.tokenizer(), data())
    counts = {"empty answer": 2, "max_length leaves no token of a response": 1}
    assert used.tokenised.truncation == Truncation(
        pairs=58, truncated_prompts=0, truncated_responses=0, left_out=counts
    )
    assert used.tokenised.truncation.rows == 61
    clean = read_pairs(toys.write_rows(tmp_path / "clean.jsonl", [GOOD] * 58), 0)
    assert used.pairs == clean
    assert used.tokenised.rows == tokenise_pairs(clean, toys.tokenizer(), 69, 69).rows
    lines = {"empty answer": [2, 60], "max_length leaves no token of a response": [61]}
    assert left_out(path, 0, toys.tokenizer(), data()) == lines


def test_the_limit_counts_rows_of_the_file(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [GOOD, EMPTY, *[GOOD] * 8, *[EMPTY] * 40])
    used = usable_pairs(path, 10, toys.tokenizer(), data())
    assert (len(used.pairs), used.tokenised.truncation.left_out) == (9, {"empty answer": 1})
    assert len(left_out(path, 10, toys.tokenizer(), data())["empty answer"]) == 41, "of the whole file"
    with pytest.raises(DataError, match=r"more than data\.unusable_share = 0\.05"):
        left_out(path, 0, toys.tokenizer(), data())


def test_a_file_without_such_rows_leaves_nothing_behind(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [GOOD] * 3)
    assert left_out(path, 0, toys.tokenizer(), data()) == {}
    found = usable_pairs(path, 0, toys.tokenizer(), data()).tokenised.truncation
    assert found.model_dump() == {"pairs": 3, "truncated_prompts": 0, "truncated_responses": 0}


@pytest.mark.parametrize(
    ("rows", "changes", "cause"),
    [
        ([GOOD, EMPTY], {"unusable": "refuse"}, "'refuse', and rows cannot be used: empty answer: 1 .line 2"),
        ([GOOD, EMPTY], {"unusable_share": 0.0}, "more than data.unusable_share = 0 of the rows"),
        ([*[GOOD] * 37, *[EMPTY] * 2], {}, "0.05 of the rows cannot be used: empty answer: 2 .line 38, 39"),
        ([EMPTY, EMPTY, LONG], {"unusable_share": 1.0}, "no pair of the file can be used"),
        ([LONG], {}, "no pair of the file can be used: max_length leaves no token of a response: 1"),
    ],
)
def test_too_many_are_refused_with_their_counts(
    tmp_path: Path, rows: list[object], changes: dict[str, Any], cause: str
) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", rows)
    with pytest.raises(DataError, match=cause) as caught:
        usable_pairs(path, 0, toys.tokenizer(), data(**changes))
    assert str(path) in str(caught.value)
    with pytest.raises(DataError, match=cause):
        left_out(path, 0, toys.tokenizer(), data(**changes))


def test_the_share_is_counted_over_the_rows(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [*[GOOD] * 38, *[EMPTY] * 2])
    assert len(usable_pairs(path, 0, toys.tokenizer(), data()).pairs) == 38
    one = toys.write_rows(tmp_path / "one.jsonl", [GOOD, EMPTY])
    assert len(usable_pairs(one, 0, toys.tokenizer(), data()).pairs) == 1, "one row never ends a run"


SAME = toys.row("Hi", "yes", "yes")
SPACED = toys.row("Hi", "yes", "yes ")
"""The template trims it, so that both answers have the same tokens."""
CUT = toys.row("Hi", "yes" * 20 + "a", "yes" * 20 + "b")
"""Prompt 11 tokens; what tells the answers apart is the 68th token of each."""


def test_pairs_of_identical_answers_are_left_out_and_counted_apart(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [GOOD, SAME, CUT, SPACED, GOOD, EMPTY])
    used = usable_pairs(path, 0, toys.tokenizer(), data()).tokenised
    counts = {"identical answers": 2, "answers identical once cut": 1, "empty answer": 1}
    assert (used.truncation.pairs, used.truncation.left_out) == (2, counts)
    whole = usable_pairs(path, 0, toys.tokenizer(), data(max_length=90)).tokenised.truncation
    assert (whole.pairs, whole.left_out) == (3, {"identical answers": 2, "empty answer": 1})


@pytest.mark.parametrize("rows", [[SAME] * 3, [CUT], [SAME, CUT, EMPTY]])
def test_a_set_of_identical_answers_alone_is_refused(tmp_path: Path, rows: list[object]) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", rows)
    with pytest.raises(DataError, match=r"no pair of the file can be used.*identical"):
        usable_pairs(path, 0, toys.tokenizer(), data())
