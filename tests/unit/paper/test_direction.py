"""Directional claims: no difference beyond the smallest worth knowing, and the items that would decide."""

from __future__ import annotations

from verdict_toys import as_paper, difference, verdict, with_differences

from harness.core.statistics import Difference
from harness.findings.outcome import Outcome

LOSS = "preference.loss"


def judged(effect: float, p_holm: float, p_equivalent: float) -> Difference:
    """A difference with an equivalence test at a percentage point."""
    update = {"smallest": 0.01, "p_equivalent": p_equivalent, "p_equivalent_holm": p_equivalent}
    return difference(effect, p_holm).model_copy(update=update)


def test_no_difference_beyond_the_smallest_worth_knowing_is_a_verdict_of_its_own(outcome: Outcome) -> None:
    changes = {("fsrl", "full-simpo", "mmlu.acc"): judged(0.002, 0.9, 0.03)}
    found = verdict(with_differences(outcome, changes), "mmlu-full-more")
    assert (found.answer, found.label) == ("equivalent", "no difference beyond 1 point (this model)")
    assert found.findings[0].endswith(
        "p = 0.9 after Holm, n = 400, one training an arm; none beyond 1 point (p = 0.03)"
    )
    about_paper = verdict(as_paper(with_differences(outcome, changes)), "mmlu-full-more")
    assert about_paper.label == "no difference beyond 1 point"
    changes = {("full-simpo", "base", LOSS): judged(0.01, 0.9, 0.03).model_copy(update={"smallest": 0.1})}
    assert verdict(with_differences(outcome, changes), "loss-falls").label == (
        "no difference beyond 0.1 nats in 1 of 2 comparisons (this model)"
    )


def test_a_significant_difference_is_a_direction_even_where_it_is_small(outcome: Outcome) -> None:
    small = with_differences(outcome, {("fsrl", "full-simpo", "mmlu.acc"): judged(-0.002, 0.01, 0.001)})
    found = verdict(small, "mmlu-full-more")
    assert found.answer == "reproduced"
    ending = "n = 400, one training an arm; small: no difference beyond 1 point (p = 0.001)"
    assert found.findings[0].endswith(ending)


def test_a_part_without_a_difference_settles_a_claim_before_one_that_is_undecided(outcome: Outcome) -> None:
    parts = [("full-simpo", "base", "mmlu.acc"), ("fsrl", "base", "mmlu.acc")]
    mixed = with_differences(outcome, dict(zip(parts, (judged(0, 1, 0.01), judged(0, 1, 0.2)), strict=True)))
    found = verdict(mixed, "mmlu-rises")
    assert (found.answer, found.beyond) == ("equivalent", "1 point in 1 of 2 comparisons")
    turned = with_differences(mixed, {parts[1]: judged(-0.3, 0.001, 1.0)})
    assert verdict(turned, "mmlu-rises").answer == "not reproduced"


def test_an_undecided_claim_names_the_fewer_items_of_a_direction_and_of_equivalence(outcome: Outcome) -> None:
    where = ("fsrl", "full-simpo", "mmlu.acc")

    def n(one: Difference) -> int | None:
        found = verdict(with_differences(outcome, {where: one}), "mmlu-full-more")
        assert found.answer == "inconclusive"
        assert found.findings[0].endswith("one beyond 1 point not excluded (p = 0.2)")
        return found.deciding_n

    family = outcome.comparisons.equivalence_family
    assert family == 15  # here every tested difference is one that a claim is about
    # No difference: (2.713052 + 1.281552)^2 * 0.5^2 / 0.01^2 = 39,892.2 with 0.05 / 15 one-sided.
    assert n(judged(0.0, 1.0, 0.2)) == 39_893
    # 5 points: a direction needs 1,427 items, and equivalence cannot be shown.
    assert n(judged(0.05, 0.2, 0.2)) == 1427
    # Scores that never disagree: log(0.05 / 15) / log(0.99) = 567.5
    assert n(judged(0.0, 1.0, 0.2).model_copy(update={"sd": 0.0})) == 568
