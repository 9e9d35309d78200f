"""The comparison with lm-eval's own command: what it counts, what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.__main__ import main
from harness.commands.parity import Agreement, TaskParity, agreement, cut, faults
from harness.core.errors import EvaluationError, UsageError
from harness.profiles.profile import Profile


def row(item: str, responses: dict[str, Any], **metrics: float) -> dict[str, Any]:
    return {"doc_hash": item, "prompt_hash": f"p{item}", "responses": responses, "metrics": metrics}


OURS = [
    row("a", {"none": [[-1.5, True], [-2.25, False]]}, acc=1.0),
    row("b", {"none": [[-3.0, False], [-2.0, True]]}, acc=0.0),
    row(
        "c",
        {"strict-match": ["12"], "flexible-extract": ["12"]},
        **{"strict-match": 1.0, "flexible-extract": 1.0},
    ),
]


def sample(item: str, name: str, responses: list[Any], metric: str, value: float) -> dict[str, Any]:
    """As lm-eval writes it: numbers of responses as text."""
    own = {"doc_hash": item, "prompt_hash": f"p{item}", "filter": name, "filtered_resps": responses}
    return {**own, "metrics": [metric], metric: value}


THEIRS = [
    sample("a", "none", [["-1.5", "True"], ["-2.25", "False"]], "acc", 1.0),
    sample("b", "none", [["-3.0", "False"], ["-2.0", "True"]], "acc", 0.0),
    sample("c", "strict-match", ["12"], "exact_match", 1.0),
    sample("c", "flexible-extract", ["12"], "exact_match", 1.0),
]


def changed(place: int, **keys: Any) -> list[dict[str, Any]]:
    theirs = copy.deepcopy(THEIRS)
    theirs[place] |= keys
    return theirs


def test_equal_items_are_identical() -> None:
    assert agreement(OURS, THEIRS) == Agreement(
        identical=3, texts_differ=0, largest_difference=0.0, largest_metric_difference=0.0
    )


@pytest.mark.parametrize(
    ("theirs", "wanted"),
    [
        (changed(0, filtered_resps=[["-1.5", "True"], ["-2.0", "False"]]), (2, 0, 0.25, 0.0)),
        (changed(0, filtered_resps=[["-1.5", "False"], ["-2.25", "False"]]), (2, 1, 0.0, 0.0)),
        (changed(1, acc=1.0), (2, 0, 0.0, 1.0)),
        (changed(3, filtered_resps=["13"]), (2, 0, 1.0, 0.0)),
        (changed(3, filtered_resps=["[invalid]"]), (2, 1, 0.0, 0.0)),
    ],
)
def test_a_difference_is_counted(theirs: list[dict[str, Any]], wanted: tuple[Any, ...]) -> None:
    assert tuple(agreement(OURS, theirs).model_dump().values()) == wanted


def test_other_items_are_refused() -> None:
    for theirs in (THEIRS[1:], changed(0, prompt_hash="another prompt")):
        with pytest.raises(EvaluationError, match="different items"):
            agreement(OURS, theirs)


def parity(plain: tuple[Any, ...], shared: tuple[Any, ...] | None) -> TaskParity:
    one, two = (
        None if values is None else Agreement(**dict(zip(Agreement.model_fields, values, strict=True)))
        for values in (plain, shared)
    )
    assert one is not None
    return TaskParity(limit=2, items=3, command="", plain=one, shared=two, scores={})


def test_without_shared_prefixes_every_item_must_be_identical() -> None:
    assert faults("t", parity((3, 0, 0.0, 0.0), None)) == []
    assert "1 of 3 items differ" in faults("t", parity((2, 0, 1e-7, 0.0), None))[0]


def test_with_shared_prefixes_there_is_a_tolerance_but_not_for_answers() -> None:
    same = (3, 0, 0.0, 0.0)
    assert faults("t", parity(same, (0, 0, 9e-4, 0.0))) == []
    for shared in ((0, 0, 2e-3, 0.0), (2, 1, 0.0, 0.0), (2, 0, 0.0, 1.0)):
        assert "share_prefix" in faults("t", parity(same, shared))[0]


def test_a_profile_is_cut_to_the_limits(profile: Profile) -> None:
    few = cut(profile, {"gsm8k": 3}).evaluation
    assert {name: task.limit for name, task in few.tasks.items()} == {
        "mmlu": 2,
        "truthfulqa_mc2": 10,
        "gsm8k": 3,
    }
    assert not few.share_prefix
    assert few.batch_size == profile.evaluation.batch_size
    for limits in ({"gsm9k": 1}, {"gsm8k": 0}):
        with pytest.raises(UsageError, match="no such number of items"):
            cut(profile, limits)


def test_a_limit_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", "--limit", "gsm8k"]) == UsageError.exit_code
    assert "TASK=N" in capsys.readouterr().err
