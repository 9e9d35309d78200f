"""Seeds and items as crossed effects: by hand, at its limits, and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from harness.core.crossed import seed_item_interval
from harness.core.errors import DataError


def test_a_table_of_two_seeds_and_three_items_by_hand() -> None:
    # Mean 4; seed means 3 and 5, item means 2, 4, 6; without the three the rest is (1, -1, 0), (-1, 1, 0).
    found = seed_item_interval([[2.0, 2.0, 5.0], [2.0, 6.0, 7.0]])
    rest = 4 / 2  # squares over (2 - 1) (3 - 1)
    assert found.effect == 4.0
    assert found.sd_rest**2 == pytest.approx(rest)
    assert found.sd_seeds**2 == pytest.approx(2 - rest / 3)  # seed means have variance 2
    assert found.sd_items**2 == pytest.approx(4 - rest / 2)  # item means have variance 4
    # 12.7062^2 * (4 / 3) / 2 + 4.30265^2 * (3 + 2 / 2) / 3 = 132.315
    assert found.high - 4 == pytest.approx(132.315**0.5, abs=1e-3)
    assert 4 - found.low == pytest.approx(found.high - 4)
    assert (found.seeds, found.items) == (2, 3)


def test_seeds_that_agree_leave_the_interval_over_items() -> None:
    items = [0.1, 0.4, -0.3, 0.9, 0.25]
    found = seed_item_interval([items, items, items])
    low, high = t.interval(0.95, 4, np.mean(items), np.std(items, ddof=1) / 5**0.5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.sd_seeds == pytest.approx(0, abs=1e-12)


def test_items_that_agree_leave_the_interval_over_seeds() -> None:
    seeds = [0.1, 0.4, -0.3]
    found = seed_item_interval([[seed] * 5 for seed in seeds])
    low, high = t.interval(0.95, 2, np.mean(seeds), np.std(seeds, ddof=1) / 3**0.5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_negative_part_counts_as_none() -> None:
    """Seed means that differ by less than the rest alone would make them."""
    found = seed_item_interval([[1.0, -1.0], [-1.0, 1.0]])
    assert (found.sd_seeds, found.sd_items) == (0.0, 0.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    "table", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [1.0]], [[1.0, 2.0], [1.0, float("nan")]]]
)
def test_what_is_no_full_table_is_refused(table: list[list[float]]) -> None:
    with pytest.raises(DataError, match="remedy"):
        seed_item_interval(table)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("sd_seeds", [0.0, 0.02, 0.05, 0.2])
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds: int, sd_seeds: float) -> None:
    """93 to 97 % of tables with known parts: items 0.3, rest 0.2, and seeds from none to most of it.

    Of 500 draws the share itself would be known to two points only; these are 5,000.
    """
    rng, items, covered, draws = np.random.default_rng(2509), 300, 0, 5_000
    for _ in range(draws):
        by_seed, by_item = rng.normal(0.1, sd_seeds, (seeds, 1)), rng.normal(0, 0.3, (1, items))
        found = seed_item_interval(by_seed + by_item + rng.normal(0, 0.2, (seeds, items)))
        covered += found.low <= 0.1 <= found.high
    assert 0.93 <= covered / draws <= 0.97
