"""Verdicts on the paper's claims: by hand, and that a lost value can never be reproduced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from verdict_toys import as_paper, difference, verdict, with_differences

from harness.core.results import Score
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge

Change = Callable[..., Outcome]
LOSS = "preference.loss"
GSM8K = ("gsm8k.strict-match", "gsm8k.flexible-extract")


def test_a_direction_that_is_seen(outcome: Outcome) -> None:
    found = verdict(outcome, "loss-falls")
    assert found.answer == "reproduced"
    assert found.label == "same direction (this model)"
    assert found.findings[0] == (
        "SimPO loss, full-simpo - base: -2.000 [-2.220, -1.780] nats (95 % CI, uncorrected), "
        "p = 0.003 after Holm, n = 10, one training an arm"
    )


def test_the_same_on_the_papers_profile_is_about_the_paper(outcome: Outcome) -> None:
    found = verdict(as_paper(outcome), "loss-falls")
    assert (found.answer, found.label, found.about_paper) == ("reproduced", "reproduced", True)


def test_the_papers_profile_with_another_model_is_not_about_the_paper(outcome: Outcome) -> None:
    renamed = outcome.model_copy(update={"profile": read_paper().profile})
    assert verdict(renamed, "loss-falls").label == "same direction (this model)"


def test_one_contradiction_is_enough(outcome: Outcome) -> None:
    turned = with_differences(outcome, {("fsrl", "base", LOSS): difference(+0.3, 0.001)})
    found = verdict(turned, "loss-falls")
    assert (found.answer, found.label) == ("not reproduced", "opposite direction (this model)")


def test_an_undecided_part_leaves_the_claim_open_with_the_n_that_would_decide_it(outcome: Outcome) -> None:
    undecided = with_differences(
        outcome,
        {
            ("full-simpo", "base", "mmlu.acc"): difference(0.10, 0.001),
            ("fsrl", "base", "mmlu.acc"): difference(0.05, 0.2),
        },
    )
    found = verdict(undecided, "mmlu-rises")
    assert (found.answer, found.label) == ("inconclusive", "inconclusive (this model)")
    # 15 tests: level 0.05 / 15 = 0.003333, z = 2.935199; (2.935199 + 0.841621)^2 * (0.5 / 0.05)^2 = 1426.4
    assert found.deciding_n == 1427


def test_no_difference_at_all_has_no_n_that_would_decide_it(outcome: Outcome) -> None:
    equal = with_differences(outcome, {("fsrl", "full-simpo", "mmlu.acc"): difference(0.0, 1.0)})
    found = verdict(equal, "mmlu-full-more")
    assert (found.answer, found.deciding_n) == ("inconclusive", None)


def test_both_gsm8k_filters_must_agree(outcome: Outcome) -> None:
    drops = {("full-simpo", "base", name): difference(-0.2, 0.001) for name in GSM8K}
    drops |= {("fsrl", "base", name): difference(-0.1, 0.001) for name in GSM8K}
    assert verdict(with_differences(outcome, drops), "gsm8k-falls").answer == "reproduced"
    drops[("fsrl", "base", GSM8K[1])] = difference(+0.1, 0.001)
    assert verdict(with_differences(outcome, drops), "gsm8k-falls").answer == "not reproduced"


@pytest.mark.parametrize(
    ("value", "stderr", "answer"),
    [
        (2.20, 0.02, "reproduced"),  # [2.161, 2.239] lies in 2.09 to 2.29
        (2.50, 0.02, "not reproduced"),  # [2.461, 2.539] lies above 2.29
        (2.27, 0.02, "inconclusive"),  # [2.231, 2.309] crosses 2.29
        (2.20, 0.50, "inconclusive"),  # [1.22, 3.18] holds everything
    ],
)
def test_a_printed_value_is_an_equivalence_test(
    outcome: Outcome, value: float, stderr: float, answer: str
) -> None:
    full = outcome.arms["full-simpo"]
    scores = {**full.scores, LOSS: Score(value=value, stderr=stderr, n=100)}
    arms = {**outcome.arms, "full-simpo": full.model_copy(update={"scores": scores})}
    found = verdict(as_paper(outcome.model_copy(update={"arms": arms})), "loss-full-value")
    assert found.answer == answer
    if (value, stderr) == (2.27, 0.02):
        # Room 0.1 - 0.08 = 0.02, half width 0.0391993: 100 * (0.0391993 / 0.02)^2 = 384.1
        assert found.deciding_n == 385


def test_a_printed_value_is_not_tested_on_another_model(outcome: Outcome) -> None:
    assert verdict(outcome, "loss-full-value").answer == "untestable"
    assert verdict(outcome, "steering-l0").label == "untestable"


def test_either_reading_of_the_fsrl_loss_counts(outcome: Outcome) -> None:
    fsrl = outcome.arms["fsrl"]
    scores = {
        **fsrl.scores,
        LOSS: Score(value=2.4, stderr=0.01, n=100),
        "preference.penalised_loss": Score(value=2.74, stderr=0.01, n=100),
    }
    arms = {**outcome.arms, "fsrl": fsrl.model_copy(update={"scores": scores})}
    found = verdict(as_paper(outcome.model_copy(update={"arms": arms})), "loss-fsrl-value")
    assert (found.status, found.answer) == ("ambiguous", "reproduced")


@pytest.mark.parametrize(("l0", "answer"), [(1000.0, "reproduced"), (1100.0, "not reproduced")])
def test_the_l0_of_the_paper(changed: Change, l0: float, answer: str) -> None:
    assert verdict(as_paper(changed("fsrl", mean_l0=l0)), "steering-l0").answer == answer


def test_an_arm_that_does_not_steer_has_no_l0(changed: Change) -> None:
    assert verdict(as_paper(changed("fsrl", mean_l0=None)), "steering-l0").answer == "not run"


def test_costs(outcome: Outcome, changed: Change) -> None:
    # 30 against 60 seconds an epoch; the same peak RSS; 200,000 against 3,000,000 parameters.
    assert verdict(outcome, "epoch-less").answer == "reproduced"
    assert verdict(outcome, "memory-less").answer == "inconclusive"
    found = verdict(outcome, "parameters-less")
    assert found.findings == (
        "trainable parameters: 200,000 against 3,000,000, ratio 0.0667, one run an arm",
    )
    usage = outcome.arms["fsrl"].training_usage
    assert usage is not None
    heavier = changed("fsrl", training_usage=usage.model_copy(update={"peak_rss_gib": 2.0}))
    assert verdict(heavier, "memory-less").answer == "not reproduced"
    one_gpu = changed("fsrl", training_usage=usage.model_copy(update={"peak_reserved_gib": 0.5}))
    assert verdict(one_gpu, "memory-less").answer == "not run", "GPU memory against RSS is no comparison"


@pytest.mark.parametrize(
    ("l0", "answer", "ratio"),
    [
        (25.0, "reproduced", "0.5"),
        (5.0, "not reproduced", "2.5"),
        (12.6, "inconclusive", "0.992"),
        (None, "not run", None),
    ],
)
def test_the_sparsity_of_the_jumprelu_adapter(
    outcome: Outcome, l0: float | None, answer: str, ratio: str | None
) -> None:
    """The L1 adapter's mean L0 is 12.5; the paper found the JumpReLU adapter no sparser."""
    second = outcome.arms["fsrl"].model_copy(update={"mean_l0": l0})
    both = outcome.model_copy(update={"arms": {**outcome.arms, "fsrl-jumprelu": second}})
    found = verdict(both, "jumprelu-sparsity")
    assert found.answer == answer
    if ratio is not None:
        assert f"features: 12.5 against {l0:g}" in found.findings[0]
        assert f"ratio {ratio}," in found.findings[0]


@pytest.mark.parametrize(
    ("effect", "p", "answer"),
    [(0.2, 0.01, "reproduced"), (-0.2, 0.01, "not reproduced"), (-0.2, 0.3, "inconclusive")],
)
def test_the_loss_of_the_jumprelu_adapter(outcome: Outcome, effect: float, p: float, answer: str) -> None:
    differences = outcome.comparisons.differences | {"fsrl-jumprelu": {"fsrl": {LOSS: difference(effect, p)}}}
    both = outcome.model_copy(
        update={
            "arms": {**outcome.arms, "fsrl-jumprelu": outcome.arms["fsrl"]},
            "comparisons": outcome.comparisons.model_copy(update={"differences": differences}),
        }
    )
    assert verdict(both, "jumprelu-loss").answer == answer
    assert verdict(outcome, "jumprelu-loss").findings == ("the profile has no arm fsrl-jumprelu",)


def test_an_arm_that_the_profile_lacks_was_not_run(outcome: Outcome) -> None:
    arms = {name: arm for name, arm in outcome.arms.items() if name != "full-simpo"}
    found = verdict(outcome.model_copy(update={"arms": arms}), "loss-full-lowest")
    assert (found.answer, found.findings) == ("not run", ("the profile has no arm full-simpo",))


def test_the_printed_mcc_follows_from_the_printed_counts(outcome: Outcome) -> None:
    found = verdict(outcome, "table6-alignment")
    assert (found.answer, found.label) == ("arithmetic holds", "arithmetic holds")
    # (27 * 227 - 22 * 24) / sqrt(49 * 51 * 249 * 251) = 5601 / 12497.3
    assert found.findings == ("the counts give accuracy 0.8467 and MCC 0.4482",)


def test_every_claim_has_a_verdict_and_every_status_occurs(outcome: Outcome) -> None:
    paper = read_paper()
    verdicts = judge(paper, outcome)
    assert [one.claim for one in verdicts] == [claim.id for claim in paper.claims]
    assert {one.status for one in verdicts} == {"value", "direction only", "lost", "artefact", "ambiguous"}
    lost = [claim for claim in paper.claims if claim.id.startswith("table1-")]
    assert len(lost) == 9
    assert {claim.status for claim in lost} == {"lost"}


numbers = st.floats(-1e3, 1e3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(effect=7e-160, p=1.0, loss=0.0, paper=False)
@given(effect=numbers, p=st.floats(0, 1), loss=numbers, paper=st.booleans())
def test_lost_and_artefact_are_never_reproduced(
    outcome: Outcome, effect: float, p: float, loss: float, paper: bool
) -> None:
    """Whatever a run finds, on whichever profile."""
    one = difference(effect, p)
    any_run = with_differences(
        outcome,
        {
            (arm, reference, name): one
            for arm, by_reference in outcome.comparisons.differences.items()
            for reference, names in by_reference.items()
            for name in names
        },
    )
    arms = {
        name: arm.model_copy(update={"scores": {k: Score(value=loss, stderr=0.01, n=9) for k in arm.scores}})
        for name, arm in any_run.arms.items()
    }
    any_run = any_run.model_copy(update={"arms": arms})
    for found in judge(read_paper(), as_paper(any_run) if paper else any_run):
        if found.status in ("lost", "artefact"):
            assert found.answer == "untestable"
        if found.answer == "reproduced" and not found.about_paper:
            assert found.label == "same direction (this model)"


def test_a_lost_claim_with_a_predicate_that_holds_is_not_reproduced_either(outcome: Outcome) -> None:
    """Forged past the check of `Claim`: every lost or artefact claim with every predicate of the file."""
    paper = read_paper()
    never = [claim for claim in paper.claims if claim.status in ("lost", "artefact")]
    predicates = [predicate for claim in paper.claims for predicate in claim.predicates]
    assert len(never) >= 13
    holding = 0
    for predicate in predicates:
        forged = [claim.model_copy(update={"predicates": (predicate,)}) for claim in never]
        open_ = forged[0].model_copy(update={"id": "not lost", "status": "value"})
        claims = paper.model_copy(update={"claims": (*forged, open_)})
        *found, seen = judge(claims, as_paper(outcome))
        holding += seen.answer == "reproduced"
        assert {one.answer for one in found} == {"untestable"}
    assert holding > 3, "the same predicate is seen to hold where the claim is not lost"
