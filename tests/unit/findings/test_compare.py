"""Two outcomes compared: each kind of change is judged by its rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DamagedFileError
from harness.findings.compare import compare, major, read_tolerances, require_comparable
from harness.findings.outcome import Outcome


def broken(new: Outcome, old: Outcome) -> list[str]:
    return [f"{delta.name}: {delta.why}" for delta in compare(new, old, read_tolerances()) if delta.why]


def test_a_minor_version_may_differ(outcome: Outcome) -> None:
    older = outcome.model_copy(update={"versions": {"torch": "2.10.1", "lm-eval": "0.4.9"}})
    require_comparable(outcome, older, Path("table1.json"))


@pytest.mark.parametrize(
    ("version", "expected"), [("2.13.0", "2"), ("2.13.0+cpu", "2"), ("0.4.13", "0.4"), ("0.0.5", "0.0.5")]
)
def test_the_part_of_a_version_that_may_break(version: str, expected: str) -> None:
    assert major(version) == expected


def with_fsrl(outcome: Outcome, **fields: Any) -> Outcome:
    fsrl = outcome.arms["fsrl"].model_copy(update=fields)
    return outcome.model_copy(update={"arms": {**outcome.arms, "fsrl": fsrl}})


@pytest.mark.parametrize(
    ("shift", "holds"), [(0.0, True), (0.9, True), (-0.9, True), (1.1, False), (-1.1, False)]
)
def test_scores_may_move_by_one_standard_error(outcome: Outcome, shift: float, holds: bool) -> None:
    old = outcome.arms["fsrl"].scores["mmlu.acc"]
    moved = old.model_copy(update={"value": old.value + shift * old.stderr})
    new = with_fsrl(outcome, scores={**outcome.arms["fsrl"].scores, "mmlu.acc": moved})
    assert (broken(new, outcome) == []) == holds


@pytest.mark.parametrize(("lost", "holds"), [(0, True), (1, True), (2, False)])
def test_a_score_at_its_ceiling_may_lose_one_item(outcome: Outcome, lost: int, holds: bool) -> None:
    """Its standard error is 0."""
    scores = outcome.arms["fsrl"].scores
    ceiling = scores["mmlu.acc"].model_copy(update={"value": 1.0, "stderr": 0.0})
    less = ceiling.model_copy(update={"value": 1.0 - lost / 20})
    old = with_fsrl(outcome, scores={**scores, "mmlu.acc": ceiling})
    assert (broken(with_fsrl(outcome, scores={**scores, "mmlu.acc": less}), old) == []) == holds


def test_a_loss_has_no_such_room(outcome: Outcome) -> None:
    scores = outcome.arms["fsrl"].scores
    old = scores["preference.loss"]
    moved = old.model_copy(update={"value": old.value + 0.6 * old.stderr})
    assert broken(with_fsrl(outcome, scores={**scores, "preference.loss": moved}), outcome) == [
        "fsrl: preference.loss: left standard_errors 0.5"
    ]


@pytest.mark.parametrize(
    ("field", "factor", "holds"),
    [
        ("wall_s", 2.9, True),
        ("wall_s", 3.1, False),
        ("wall_s", 0.1, True),
        ("peak_rss_gib", 1.2, True),
        ("peak_rss_gib", 1.3, False),
        ("peak_rss_gib", 0.5, True),
    ],
)
def test_costs_are_ratios_and_less_is_never_a_regression(
    outcome: Outcome, field: str, factor: float, holds: bool
) -> None:
    usage = outcome.arms["fsrl"].evaluation_usage
    new = with_fsrl(
        outcome, evaluation_usage=usage.model_copy(update={field: getattr(usage, field) * factor})
    )
    assert (broken(new, outcome) == []) == holds


def test_slower_training_breaks_both_of_its_rules(outcome: Outcome) -> None:
    usage = outcome.arms["fsrl"].training_usage
    assert usage is not None
    slower = usage.model_copy(update={"wall_s": usage.wall_s * 4})
    assert broken(with_fsrl(outcome, training_usage=slower), outcome) == [
        "fsrl: training tokens/s: left ratio_floor 3",
        "fsrl: training, seconds: left ratio 3",
    ]


def test_counts_and_hashes_are_exact(outcome: Outcome) -> None:
    prompts = dict(outcome.arms["fsrl"].prompts)
    prompts["mmlu"] = prompts["mmlu"].model_copy(update={"prompts_sha256": "d" * 64, "requests": 21})
    assert broken(with_fsrl(outcome, prompts=prompts), outcome) == [
        "fsrl: mmlu, requests: left exact",
        "fsrl: mmlu, prompts: left exact",
    ]
    usage = outcome.arms["fsrl"].training_usage
    assert usage is not None
    more = usage.model_copy(update={"trainable_parameters": usage.trainable_parameters + 1})
    assert broken(with_fsrl(outcome, training_usage=more), outcome) == [
        "fsrl: trainable parameters: left exact"
    ]


def test_a_quantity_that_only_one_side_has_is_a_regression(outcome: Outcome) -> None:
    scores = {k: v for k, v in outcome.arms["fsrl"].scores.items() if k != "mmlu.acc"}
    fewer = with_fsrl(outcome, scores=scores)
    assert broken(fewer, outcome) == [
        "fsrl: mmlu.acc: is not in this run",
        "fsrl: mmlu.acc, n: is not in this run",
    ]
    assert broken(outcome, fewer)[0] == "fsrl: mmlu.acc: is not in the committed results"


def test_a_gpu_peak_that_appears_is_not_equal_to_none(outcome: Outcome) -> None:
    usage = outcome.arms["fsrl"].evaluation_usage.model_copy(update={"peak_reserved_gib": 1.0})
    assert broken(with_fsrl(outcome, evaluation_usage=usage), outcome) == [
        "fsrl: evaluation, peak reserved GiB: left ratio 1.25"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[loss]\nrule = 'exact'\nlimit = 1.0",
        "[loss]\nrule = 'ratio'",
        "[loss]\nrule = 'about'\nlimit = 1.0",
        "[surprise]\nrule = 'exact'",
        "not toml",
    ],
)
def test_tolerances_that_are_not_whole_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(text)
    with pytest.raises(DamagedFileError):
        read_tolerances(path)
