"""The loss of each step and the truncated pairs on the page, and what is said where they were not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.core.results import Truncation
from harness.findings.outcome import Outcome, TrainingFacts
from harness.report.page import training
from harness.report.palette import styles

Change = Callable[..., Outcome]


def facts_of(outcome: Outcome, arm: str) -> TrainingFacts:
    found = outcome.arms[arm].training
    assert found is not None
    return found


def test_a_run_keeps_the_loss_of_each_step(outcome: Outcome) -> None:
    """From `train.json` through the outcome to the page's artefact."""
    assert facts_of(outcome, "full-simpo").loss_trace == (6.0, 5.0, 4.0)
    assert facts_of(outcome, "fsrl").loss_trace == (6.0, 5.0, 5.0)
    assert Outcome.model_validate(outcome.model_dump(mode="json")) == outcome


def test_a_curve_an_arm_and_the_base_as_a_level(changed: Change, outcome: Outcome) -> None:
    trace = tuple(float(i) for i in range(20))
    facts = facts_of(outcome, "fsrl").model_copy(update={"loss_trace": trace})
    axes = training.drawn(changed("fsrl", training=facts)).axes[0]
    curves = {str(one.get_label()): one for one in axes.lines if not str(one.get_label()).startswith("_")}
    assert list(curves) == ["Full SimPO", "FSRL", "base model, test pairs"]
    # means of two neighbours of 0 to 19: 0.5 to 18.5, each in the middle of its steps
    assert list(curves["FSRL"].get_ydata()) == [i + 0.5 for i in range(19)]
    assert list(curves["FSRL"].get_xdata()) == [i + 1.5 for i in range(19)]
    assert set(curves["base model, test pairs"].get_ydata()) == {6.0}
    thin = [list(one.get_ydata()) for one in axes.lines if one.get_linewidth() == 0.5]
    assert thin == [[6.0, 5.0, 4.0], list(trace)]
    looks = styles(outcome.arms)
    assert curves["FSRL"].get_color() == looks["fsrl"].colour != curves["Full SimPO"].get_color()
    tested = [one for one in axes.lines if one.get_marker() == looks["fsrl"].marker]
    assert [list(one.get_ydata()) for one in tested] == [[5.0]], (
        "beside the last step: FSRL on the test pairs"
    )


def test_truncated_pairs_and_the_ends_of_the_trace_by_hand(changed: Change, outcome: Outcome) -> None:
    trace = tuple(float(i) for i in range(20))
    cut = Truncation(pairs=10, truncated_prompts=1, truncated_responses=2)
    facts = facts_of(outcome, "fsrl").model_copy(update={"loss_trace": trace, "truncation": cut})
    sheet = training.facts(changed("fsrl", training=facts, truncation=cut), "table1.json")
    rows = {row.texts[0]: row.texts[1:] for row in sheet.rows}
    assert list(rows) == ["Full SimPO", "FSRL"], "the base trained nothing"
    assert rows["FSRL"] == ("3", "2", "10", "1", "2", "2e-05", "99.0", "0.500", "18.500")
    assert rows["Full SimPO"][3:5] == ("0", "0")
    assert sheet.notes == ("Of 10 test pairs, 0 have a truncated prompt and 0 a truncated response.",), (
        "of the first arm, the base"
    )


def without_traces(outcome: Outcome) -> dict[str, Any]:
    """The outcome as it was written before traces and truncated test pairs were kept."""
    document = outcome.model_dump(mode="json")
    for arm in document["arms"].values():
        del arm["truncation"]
        if arm["training"]:
            del arm["training"]["loss_trace"]
    return document


def test_older_results_are_read_and_say_what_they_lack(outcome: Outcome) -> None:
    old = Outcome.model_validate(without_traces(outcome))
    assert training.curve(old, "table1.json") == ()
    sheet = training.facts(old, "table1.json")
    assert sheet.notes == (
        "Truncated test pairs: not recorded in these results.",
        "Loss by step: not recorded in these results (Full SimPO, FSRL).",
    )
    assert {row.texts[-2:] for row in sheet.rows} == {("not recorded", "not recorded")}
    assert {row.texts[4] for row in sheet.rows} == {"0"}, "truncated training pairs were kept before"


def test_a_run_without_training_has_no_such_section(outcome: Outcome) -> None:
    alone = outcome.model_copy(update={"arms": {"base": outcome.arms["base"]}})
    assert training.section(alone, "table1.json") == ()
    assert training.curve(alone, "table1.json") == ()
