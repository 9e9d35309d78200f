"""The stage `check`: each property is seen when it is violated, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_toys import Run, evaluated

from harness.core.artefact import write_json
from harness.core.errors import CheckFailedError, MissingInputError
from harness.core.results import Score
from harness.evaluation.committed_prompts import Snapshot, outcome_prompts
from harness.findings.outcome import ArmOutcome, Outcome
from harness.profiles.profile import Profile
from harness.stages.check import COMMITTED, violations
from harness.stages.stage import run_stage

Change = Callable[..., Outcome]


def prompts(arm: ArmOutcome, **fields: Any) -> dict[str, Any]:
    """An arm's records of its requests with those of GSM8K changed."""
    return {**arm.prompts, "gsm8k": arm.prompts["gsm8k"].model_copy(update=fields)}


def training(arm: ArmOutcome, **fields: Any) -> Any:
    assert arm.training is not None
    return arm.training.model_copy(update=fields)


def test_a_good_run_has_every_property(outcome: Outcome) -> None:
    assert violations(outcome) == []


def with_loss(outcome: Outcome, low: float, high: float, loss: float = 6.0) -> Outcome:
    """The outcome with another loss of `fsrl`, and another interval of its difference to the base."""
    arm = outcome.arms["fsrl"]
    scores = {**arm.scores, "preference.loss": Score.model_construct(value=loss, stderr=0.1, n=10)}
    one = outcome.difference("fsrl", "base", "preference.loss")
    assert one is not None
    other = one.model_copy(update={"effect": (low + high) / 2, "low": low, "high": high})
    differences = {**outcome.comparisons.differences}
    differences["fsrl"] = {"base": {**differences["fsrl"]["base"], "preference.loss": other}}
    return outcome.model_copy(
        update={
            "arms": {**outcome.arms, "fsrl": arm.model_copy(update={"scores": scores})},
            "comparisons": outcome.comparisons.model_copy(update={"differences": differences}),
        }
    )


@pytest.mark.parametrize(("low", "high"), [(-0.040, 0.053), (0.0, 0.1), (-0.2, -0.1)])
def test_a_null_result_is_a_result(outcome: Outcome, low: float, high: float) -> None:
    assert violations(with_loss(outcome, low, high, loss=6.007)) == []


def test_a_loss_that_is_surely_above_the_base(outcome: Outcome) -> None:
    assert violations(with_loss(outcome, 0.25, 0.75)) == [
        "the SimPO loss of no trained arm is surely above the base's: "
        "fsrl - base: +0.5 [+0.25, +0.75] nats (paired, 95 % CI)"
    ]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(outcome: Outcome, loss: float) -> None:
    (found,) = violations(with_loss(outcome, -0.2, -0.1, loss=loss))
    assert found.endswith(f"fsrl has {loss}")


def test_a_loss_that_was_not_compared(outcome: Outcome) -> None:
    bare = outcome.comparisons.model_copy(update={"differences": {}})
    found = violations(outcome.model_copy(update={"comparisons": bare}))
    assert [line.rpartition(": ")[2] for line in found] == [
        "full-simpo was not compared with the base",
        "fsrl was not compared with the base",
    ]


def test_weights_that_did_not_move(outcome: Outcome, changed: Change) -> None:
    moved = outcome.arms["full-simpo"].training.moved  # type: ignore[union-attr]
    assert moved is not None
    still = moved.model_copy(update={"fraction_changed": 0.0024})
    facts = training(outcome.arms["full-simpo"], moved=still)
    assert violations(changed("full-simpo", training=facts)) == [
        "training moved the weights of each trained arm: full-simpo changed 0.0024 of its entries, "
        "the floor is 0.5"
    ]
    unrecorded = training(outcome.arms["full-simpo"], moved=None)
    assert "did not record it" in violations(changed("full-simpo", training=unrecorded))[0]


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"learning_rates": 0}, "0 rates for 3 steps"),
        ({"learning_rates": 2}, "2 rates for 3 steps"),
        ({"steps": 0, "learning_rates": 0}, "0 rates for 0 steps"),
        ({"peak_learning_rate": 0.0}, "largest rate 0.0"),
    ],
)
def test_a_missing_learning_rate_trace(
    outcome: Outcome, changed: Change, fields: dict[str, Any], seen: str
) -> None:
    found = violations(changed("fsrl", training=training(outcome.arms["fsrl"], **fields)))
    assert len(found) == 1
    assert seen in found[0]


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"bos_max": 2}, False),
        ({"bos_min": 0}, False),
        ({"bos_min": 2, "bos_max": 2}, False),
        ({"bos_min": 0, "bos_max": 0}, False),
        ({"bos_min": 0, "bos_max": 1, "bos_rule": "leading_run"}, False),
        ({"bos_min": 0, "bos_max": 0, "bos_rule": "leading_run"}, True),
        ({"bos_rule": "leading_run"}, True),
    ],
)
def test_exactly_one_bos(outcome: Outcome, fields: dict[str, Any], good: bool) -> None:
    arms = {
        name: arm.model_copy(update={"prompts": prompts(arm, **fields)}) for name, arm in outcome.arms.items()
    }
    found = violations(outcome.model_copy(update={"arms": arms}))
    assert (found == []) == good
    if not good:
        assert len(found) == 3
        assert "base, gsm8k:" in found[0]


def test_no_record_of_requests_is_no_proof_of_one_bos(outcome: Outcome) -> None:
    arms = {name: arm.model_copy(update={"prompts": {}}) for name, arm in outcome.arms.items()}
    assert len(violations(outcome.model_copy(update={"arms": arms}))) == 3


@pytest.mark.parametrize("field", ["prompts_sha256", "first_prompt_sha256"])
def test_arms_that_got_other_prompts(outcome: Outcome, changed: Change, field: str) -> None:
    found = violations(changed("fsrl", prompts=prompts(outcome.arms["fsrl"], **{field: "d" * 64})))
    assert found == [
        f"all arms got the same prompts, template and stop tokens: fsrl and base, gsm8k: {field}"
    ]


def test_another_template_and_a_truncated_request(outcome: Outcome, changed: Change) -> None:
    assert "different chat templates" in violations(changed("fsrl", chat_template_sha256="e" * 64))[0]
    found = violations(changed("fsrl", prompts=prompts(outcome.arms["fsrl"], truncated=1)))
    assert "no request was truncated: fsrl, gsm8k: 1 of 20" in found


def test_arms_scored_on_different_numbers_of_items(outcome: Outcome, changed: Change) -> None:
    scores = {**outcome.arms["fsrl"].scores, "mmlu.acc": Score(value=0.6, stderr=0.1, n=19)}
    assert violations(changed("fsrl", scores=scores)) == [
        "all arms were scored on the same number of items: MMLU: base 20, full-simpo 20, fsrl 19"
    ]


def test_a_run_without_a_trained_arm_or_a_base(outcome: Outcome) -> None:
    alone = outcome.model_copy(update={"arms": {"base": outcome.arms["base"]}})
    assert any("no trained arm" in line for line in violations(alone))
    headless = outcome.model_copy(update={"arms": {"fsrl": outcome.arms["fsrl"]}})
    assert any("no arm `base`" in line for line in violations(headless))


def test_the_stage_fails_and_names_every_violation(made_run: Run) -> None:
    bad = evaluated("fsrl")
    requests = {
        **bad.requests,
        "mmlu": bad.requests["mmlu"].model_copy(update={"bos_max": 2, "truncated": 3}),
    }
    files = made_run.write_samples("fsrl")
    made_run.put("evaluate", "fsrl", bad.model_copy(update={"requests": requests}), files)
    run_stage("report", made_run.analysed().profile, made_run.paths)
    with pytest.raises(CheckFailedError) as failure:
        run_stage("check", made_run.profile, made_run.paths)
    assert "exactly one BOS: fsrl, mmlu: 1 to 2" in str(failure.value)
    assert "no request was truncated: fsrl, mmlu: 3 of 20" in str(failure.value)
    assert not made_run.paths.stage("check").exists()


def test_without_a_report_the_stage_names_the_command(made_run: Run) -> None:
    with pytest.raises(MissingInputError, match="python -m harness report --profile miniature"):
        run_stage("check", made_run.profile, made_run.paths)


def test_prompts_that_are_not_the_committed_ones(
    reported: Run, outcome: Outcome, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = tmp_path / "prompts.json"
    arms = outcome_prompts(outcome)
    write_json(committed, Snapshot(first_prompts={}, arms=arms).model_dump(mode="json"))
    monkeypatch.setattr("harness.stages.check.snapshot_path", lambda _name: committed)
    (artefact,) = run_stage("check", profile, reported.paths)
    assert COMMITTED in artefact.result["held"]
    other = arms["fsrl"].model_copy(update={"chat_template_sha256": "0"})
    write_json(committed, Snapshot(first_prompts={}, arms={**arms, "fsrl": other}).model_dump(mode="json"))
    with pytest.raises(CheckFailedError, match="fsrl: another chat template"):
        run_stage("check", profile, reported.paths)
