"""Paired statistics, on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from harness.core.errors import DataError
from harness.core.results import Score
from harness.core.statistics import (
    deciding_n,
    holm,
    normal_interval,
    paired_difference,
    score_interval,
    unanimous,
    wilson_interval,
)


def test_mcnemar_counts_only_items_on_which_the_arms_differ() -> None:
    # 6 items right only in the arm, 1 only in the reference, 13 alike: 2 * (1 + 7) / 2^7 = 0.125.
    arm = [1.0] * 6 + [0.0] + [1.0] * 8 + [0.0] * 5
    reference = [0.0] * 6 + [1.0] + [1.0] * 8 + [0.0] * 5
    found = paired_difference(arm, reference, seed=0)
    assert found.test == "exact McNemar"
    assert found.p == pytest.approx(0.125, abs=1e-12)
    assert found.effect == pytest.approx(5 / 20)
    # Squared differences: 7 ones; variance = (7 - 20 * 0.0625) / 19.
    assert found.sd == pytest.approx((5.75 / 19) ** 0.5)
    assert found.n == 20


def test_mcnemar_of_one_direction_is_a_power_of_two() -> None:
    found = paired_difference([1.0] * 9 + [0.0] * 11, [0.0] * 20, seed=0)
    assert found.p == pytest.approx(2 / 2**9)


def test_two_arms_that_agree_everywhere_are_not_shown_to_be_the_same() -> None:
    same = [1.0, 0.0] * 10
    found = paired_difference(same, same, seed=0)
    assert (found.effect, found.p) == (0.0, 1.0)
    # Clopper-Pearson with none of 20: 1 - 0.025^(1/20).
    bound = 1 - 0.025 ** (1 / 20)
    assert (found.low, found.high) == (pytest.approx(-bound), pytest.approx(bound))


def test_bootstrap_of_a_constant_difference_has_no_width() -> None:
    found = paired_difference([1.25, 2.5, 3.75], [1.0, 2.25, 3.5], seed=0)
    assert (found.effect, found.low, found.high, found.sd) == (0.25, 0.25, 0.25, 0.0)
    # No resample reaches zero: 2 * (0 + 1) / (10,000 + 1).
    assert found.test == "paired bootstrap"
    assert found.p == pytest.approx(2 / 10_001)


def test_bootstrap_interval_is_near_the_normal_one_for_many_items() -> None:
    # Differences -1 and +3 in turn: mean 1, sd 2 * sqrt(400 / 399), so that the half width is 1.96 * 2 / 20.
    arm = [0.5 + (3.0 if i % 2 else -1.0) for i in range(400)]
    found = paired_difference(arm, [0.5] * 400, seed=7)
    assert found.effect == pytest.approx(1.0)
    assert found.low == pytest.approx(1 - 0.196, abs=0.02)
    assert found.high == pytest.approx(1 + 0.196, abs=0.02)
    assert found.p == pytest.approx(2 / 10_001)


def test_pairing_matters() -> None:
    """The same two sets of values in another pairing have the same effect and another spread."""
    values = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]
    raised = [value + 0.05 for value in values]
    paired = paired_difference(raised, values, seed=0)
    shuffled = paired_difference(raised[::-1], values, seed=0)
    assert paired.effect == pytest.approx(shuffled.effect)
    assert paired.sd == pytest.approx(0, abs=1e-12)
    assert shuffled.high - shuffled.low > 0.3


def test_the_same_seed_gives_the_same_interval() -> None:
    arm, reference = [0.1, 0.5, 0.25, 0.8], [0.2, 0.1, 0.3, 0.4]
    assert paired_difference(arm, reference, seed=1) == paired_difference(arm, reference, seed=1)


def test_a_measure_that_is_not_tested_has_an_interval_and_no_p() -> None:
    found = paired_difference([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], seed=0, tested=False)
    assert (found.test, found.p) == ("none", None)
    assert found.low < found.effect < found.high


@pytest.mark.parametrize(
    ("arm", "reference"), [([1.0], [1.0]), ([1.0, 0.0], [1.0]), ([1.0, float("nan")], [1.0, 0.0])]
)
def test_what_cannot_be_paired_is_refused(arm: list[float], reference: list[float]) -> None:
    with pytest.raises(DataError, match="remedy"):
        paired_difference(arm, reference, seed=0)


@given(st.lists(st.integers(-40, 40), min_size=3, max_size=60), st.sampled_from([0.01, 0.1, 0.5]))
def test_equivalence_is_statsmodels_two_one_sided_tests(tenths: list[int], smallest: float) -> None:
    deltas = np.array([*tenths, 1, 7]) / 10 + 0.05  # never all alike, never all 0 or 1
    found = paired_difference(list(deltas), [0.0] * len(deltas), seed=0, smallest=smallest)
    expected = DescrStatsW(deltas).ttost_mean(-smallest, smallest)[0]
    assert found.p_equivalent == pytest.approx(expected, rel=1e-9)
    assert found.smallest == smallest


def test_equivalence_of_scores_that_never_disagree_is_the_clopper_pearson_bound() -> None:
    same = [1.0, 0.0] * 150
    found = paired_difference(same, same, seed=0, smallest=0.01)
    assert found.p_equivalent == pytest.approx(0.99**300)
    # At that level the one-sided bound on the share of items that differ is the smallest effect.
    assert proportion_confint(0, 300, alpha=2 * 0.99**300, method="beta")[1] == pytest.approx(0.01)


def test_a_disagreement_never_makes_equivalence_more_certain() -> None:
    """With one of 300 items the sample's own variance would give p = 0.023, below the 0.049 of none."""
    same = [1.0, 0.0] * 150
    p_values = []
    for disagreeing in range(4):
        other = [1.0 - value if place < disagreeing else value for place, value in enumerate(same)]
        p_values.append(paired_difference(other, same, seed=0, smallest=0.01).p_equivalent)
    assert p_values[0] == min(p_values)
    # One item: (0.01 - 1 / 300) / sqrt(0.01 * 0.99 / 300) = 1.160518 standard errors, 299 degrees of freedom.
    assert p_values[1] == pytest.approx(t.sf(1.160518, 299), rel=1e-5)


def test_equivalence_without_any_spread_and_without_a_smallest_effect() -> None:
    same = paired_difference([0.25, 0.5, 0.75], [0.25, 0.5, 0.75], seed=0, smallest=0.1)
    apart = paired_difference([1.25, 2.5, 3.75], [1.0, 2.25, 3.5], seed=0, smallest=0.25)
    assert (same.p_equivalent, apart.p_equivalent) == (0.0, 1.0)
    assert paired_difference([0.25, 0.5], [0.25, 0.5], seed=0).p_equivalent is None


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 = 0.03, 0.06, 0.04, made monotone: 0.03, 0.06, 0.06.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


def test_deciding_n_by_hand() -> None:
    # (1.959964 + 0.841621)^2 * (0.4 / 0.05)^2 = 502.3
    assert deciding_n(0.05, 0.4, family=1) == 503
    assert deciding_n(-0.05, 0.4, family=1) == 503
    # Ten tests: the level is 0.005, z = 2.807034: (2.807034 + 0.841621)^2 * 64 = 852.01
    assert deciding_n(0.05, 0.4, family=10) == 853
    assert deciding_n(0.0, 0.4, family=1) is None
    assert deciding_n(0.3, 0.0, family=1) is None
    # (2.801585 / 1e-3)^2 = 7,848,879.7 is still worth printing; what 1e-300 would need is not.
    assert deciding_n(4e-4, 0.4, family=1) == 7_848_880
    assert deciding_n(1e-300, 0.4, family=1) is None


def test_normal_interval_by_hand() -> None:
    assert normal_interval(2.0, 0.1) == pytest.approx((1.804004, 2.195996), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_swapping_the_arms_turns_the_sign_and_nothing_else(pairs: list[tuple[bool, bool]]) -> None:
    arm, reference = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    one, other = paired_difference(arm, reference, seed=3), paired_difference(reference, arm, seed=3)
    assert one.effect == -other.effect
    assert one.p == other.p
    assert one.low <= one.effect <= one.high


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [(0.0, 4, 0.0, 0.4899), (1.0, 4, 0.5101, 1.0), (0.5, 20, 0.2993, 0.7007), (0.0, 500, 0.0, 0.00762)],
)
def test_wilsons_interval_is_that_of_statsmodels(share: float, n: int, low: float, high: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    assert wilson_interval(share, n) == pytest.approx((low, high), abs=1e-4)
    assert wilson_interval(share, n) == pytest.approx(proportion_confint(share * n, n, method="wilson"))


def test_a_score_of_all_or_none_has_an_interval_with_a_width() -> None:
    none, some = Score(value=0.0, stderr=0.0, n=4), Score(value=0.5, stderr=0.1, n=20)
    assert (unanimous(none), unanimous(some)) == (True, False)
    assert score_interval(none) == wilson_interval(0.0, 4)
    assert score_interval(some) == normal_interval(0.5, 0.1)
