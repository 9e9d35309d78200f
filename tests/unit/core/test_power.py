"""Power and items: by hand, and against what simulated tests do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from harness.core.power import agreement_n, direction_power, equivalence_n, equivalence_power
from harness.core.statistics import deciding_n

DRAWS = 4_000
THREE_ERRORS = 3 * (0.25 / DRAWS) ** 0.5
"""Of a share of the draws, at most; the normal formula adds little at 400 items."""


def drawn(effect: float, sd: float, n: int) -> np.ndarray:
    """Paired differences: one row an experiment."""
    return np.random.default_rng(7).normal(effect, sd, (DRAWS, n))


@pytest.mark.parametrize(("effect", "family"), [(0.1, 1), (0.1, 9), (-0.05, 1), (0.0, 1)])
def test_power_for_a_direction_is_the_share_of_simulated_tests_that_see_it(
    effect: float, family: int
) -> None:
    seen = ttest_1samp(drawn(effect, 0.6, 400), 0.0, axis=1).pvalue < 0.05 / family
    assert direction_power(effect, 0.6, 400, family=family) == pytest.approx(seen.mean(), abs=THREE_ERRORS)


@pytest.mark.parametrize(("effect", "family"), [(0.0, 1), (0.0, 9), (0.04, 1), (-0.1, 1)])
def test_power_for_equivalence_is_the_share_of_simulated_tests_that_see_it(
    effect: float, family: int
) -> None:
    rows = drawn(effect, 0.6, 400)
    errors = rows.std(axis=1, ddof=1) / 20
    seen = t.sf((0.1 - abs(rows.mean(axis=1))) / errors, 399) < 0.05 / family
    expected = equivalence_power(effect, 0.6, 400, smallest=0.1, family=family)
    assert expected == pytest.approx(seen.mean(), abs=THREE_ERRORS)


def test_items_for_equivalence_by_hand() -> None:
    # No true difference: both tests at 90 %: (1.644854 + 1.281552)^2 * (0.4 / 0.05)^2 = 548.09
    assert equivalence_n(0.0, 0.4, smallest=0.05, family=1) == 549
    # At 0.04 the further bound never counts: (1.644854 + 0.841621)^2 * (0.4 / 0.01)^2 = 9892.09
    assert equivalence_n(0.04, 0.4, smallest=0.05, family=1) == 9_893
    assert equivalence_n(-0.04, 0.4, smallest=0.05, family=1) == 9_893
    assert equivalence_n(0.05, 0.4, smallest=0.05, family=1) is None
    for effect in (0.0, 0.01, 0.03):
        n = equivalence_n(effect, 0.4, smallest=0.05, family=5)
        assert n is not None
        power = [equivalence_power(effect, 0.4, one, smallest=0.05, family=5) for one in (n - 1, n)]
        assert power[0] < 0.8 <= power[1]


def test_items_for_a_direction_have_that_power() -> None:
    n = deciding_n(0.05, 0.4, family=10)
    assert n is not None
    assert direction_power(0.05, 0.4, n - 1, family=10) < 0.8 <= direction_power(0.05, 0.4, n, family=10)


def test_items_that_all_agree_by_hand() -> None:
    # 0.99^298 = 0.0500..., 0.99^299 = 0.0495
    assert agreement_n(0.01, family=1) == 299
    assert 0.99**299 <= 0.05 < 0.99**298
    assert agreement_n(0.01, family=11) == 537
