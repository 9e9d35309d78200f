"""Training seeds and test items as crossed random effects: one interval for the mean of a two-way table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.errors import DataError
from harness.core.results import Record
from harness.core.statistics import LEVEL

if TYPE_CHECKING:
    from harness.core.statistics import Values


class CrossedInterval(Record):
    """The mean over seeds and items, for new seeds and new items.

    Attributes:
        effect: mean of the table.
        low, high: 95 % interval of `effect`.
        sd_seeds, sd_items, sd_rest: standard deviations of the random parts; 0 where an estimate is negative.
        seeds, items: rows and columns of the table.
    """

    effect: float
    low: float
    high: float
    sd_seeds: float
    sd_items: float
    sd_rest: float
    seeds: int
    items: int


def seed_item_interval(table: Sequence[Sequence[float]] | Values) -> CrossedInterval:
    """The interval of the mean of a table with one row a seed and one column an item, without replication.

    Method of moments: the mean squares of rows, columns and rest give the variance parts. What seeds and what
    items (with the rest) add to the variance of the mean has each its own quantile of Student's t, of
    seeds - 1 and of items - 1 degrees of freedom; the half widths add in squares.

    Raises:
        DataError: fewer than two seeds or items, rows of unequal length, or a value that is not finite.
    """
    import numpy as np
    from scipy.stats import t

    if len({len(row) for row in table}) != 1 or len(table) < 2 or len(table[0]) < 2:
        raise DataError(
            "seeds and items need a full table of two or more of each",
            value=f"{len(table)} rows of {sorted({len(row) for row in table})} values",
            remedy="evaluate every seed again on the same items",
        )
    values = np.asarray(table, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(
            "a value of the table is not finite", value="NaN or infinity", remedy="evaluate again"
        )
    seeds, items = values.shape
    mean = float(values.mean())
    by_seed, by_item = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_item[None, :] + mean
    of_rest = float((rest**2).sum()) / ((seeds - 1) * (items - 1))
    of_seeds = max(0.0, float(by_seed.var(ddof=1)) - of_rest / items)
    of_items = max(0.0, float(by_item.var(ddof=1)) - of_rest / seeds)
    among_seeds = float(t.ppf(1 - LEVEL / 2, seeds - 1)) ** 2 * of_seeds / seeds
    among_items = float(t.ppf(1 - LEVEL / 2, items - 1)) ** 2 * (of_items + of_rest / seeds) / items
    half = math.sqrt(among_seeds + among_items)
    return CrossedInterval(
        effect=mean,
        low=mean - half,
        high=mean + half,
        sd_seeds=math.sqrt(of_seeds),
        sd_items=math.sqrt(of_items),
        sd_rest=math.sqrt(of_rest),
        seeds=seeds,
        items=items,
    )
