"""What a sample log holds for people: the question, the options and the right ones."""

from __future__ import annotations

from typing import Any

import pytest

from harness.evaluation.samples import sample_rows


def sample(doc: dict[str, Any], arguments: list[tuple[str, Any]], resps: list[Any], target: Any) -> Any:
    return {
        "doc_id": 0, "doc": doc, "doc_hash": "d", "prompt_hash": "p", "target": target,
        "arguments": arguments, "resps": [[one] for one in resps], "filtered_resps": resps,
        "filter": "none", "metrics": ["acc"],
        "acc": 1.0,
    }  # fmt: skip


LIKELIHOODS = [(-1.0, True), (-2.0, False)]


@pytest.mark.parametrize(
    ("doc", "continuations", "target", "options", "correct"),
    [
        ({"question": "Q?", "choices": ["north", "south"]}, (" A", " B"), 1, ["north", "south"], [1]),
        (
            {"question": "Q?", "mc2_targets": {"choices": ["yes", "no"], "labels": [1, 0]}},
            (" yes", " no"), 0, ["yes", "no"], [0],
        ),
        ({"goal": "Keep warm.", "choices": "text"}, (" lid", " snow"), 0, ["lid", "snow"], [0]),
    ],
    ids=["letters stand for choices", "a table of labels", "continuations alone"],
)  # fmt: skip
def test_options_and_the_right_ones(
    doc: dict[str, Any], continuations: tuple[str, str], target: int, options: list[str], correct: list[int]
) -> None:
    arguments = [("the whole prompt", one) for one in continuations]
    (row,) = sample_rows({"task": [sample(doc, arguments, LIKELIHOODS, target)]})
    assert row["question"] == doc.get("question", "the whole prompt")
    assert (row["options"], row["correct"]) == (options, correct)


def test_a_written_answer_has_no_options() -> None:
    (row,) = sample_rows({"task": [sample({"question": "2 + 2?"}, [("prompt", {})], ["4"], "#### 4")]})
    assert (row["question"], row["generated"], row["target"]) == ("2 + 2?", "4", "#### 4")
    assert "options" not in row
