"""Paired statistics: exact McNemar for 0/1 scores, paired bootstrap otherwise, Holm across the family."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, TypeVar

from harness.core.errors import DataError
from harness.core.results import Record, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.05
POWER = 0.8
SMALLEST_EFFECT = 1e-4
NUMBERS_AT_ONCE = 4_000_000
NORMAL = NormalDist()
"""The standard library's: `report` would wait over a second for statsmodels and SciPy."""


class Difference(Record):
    """A paired difference, arm minus reference, over the same items.

    Attributes:
        effect: mean of the differences, in the measure's own unit (a share or nats).
        low, high: 95 % interval of `effect`.
        sd: standard deviation of the differences (n - 1).
        n: number of items.
        test: what gave `p`; `none` where the measure is not tested.
        p: two-sided, for no difference.
        p_holm: the same after Holm's correction across the run's family of tests.
        smallest: smallest effect worth knowing, in the same unit; None where no claim asks for it.
        p_equivalent: of two one-sided tests, for a true difference of `smallest` or more.
        p_equivalent_holm: the same after Holm's correction across the run's equivalence tests.
    """

    effect: float
    low: float
    high: float
    sd: float
    n: int
    test: Literal["exact McNemar", "paired bootstrap", "none"]
    p: float | None
    p_holm: float | None = None
    smallest: float | None = None
    p_equivalent: float | None = None
    p_equivalent_holm: float | None = None


def paired_difference(
    arm: Sequence[float],
    reference: Sequence[float],
    *,
    seed: int,
    tested: bool = True,
    smallest: float | None = None,
) -> Difference:
    """Compare two arms on the same items.

    The interval is the percentile interval of a paired bootstrap. Where every score is 0 or 1 the p value is
    that of the exact McNemar test (the binomial test of the items on which the two differ); otherwise it is
    the bootstrap's, twice the smaller tail at zero, with one added to count and total so that it is never
    zero. Two 0/1 arms that agree on every item get the Clopper-Pearson bound on the share of items on which
    they could differ: agreement on n items does not show that the arms are the same.

    Args:
        arm, reference: one value an item, in the same order.
        seed: of the resampling.
        tested: False leaves `p` out.
        smallest: the difference beyond which equivalence is tested; None leaves that test out.

    Raises:
        DataError: unequal numbers of items, fewer than two, or a value that is not finite.
    """
    import numpy as np

    first, second = _paired(arm, reference)
    deltas = first - second
    binary = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    low, high, p = _bootstrap(deltas, seed)
    if binary:
        p = _mcnemar(first, second)
        if not deltas.any():
            low, high = _agreement_bounds(len(deltas))
    return Difference(
        effect=float(deltas.mean()),
        low=low,
        high=high,
        sd=float(deltas.std(ddof=1)),
        n=len(deltas),
        test="none" if not tested else "exact McNemar" if binary else "paired bootstrap",
        p=p if tested else None,
        smallest=smallest,
        p_equivalent=None if smallest is None else _equivalence(deltas, smallest, binary),
    )


class SeedDifference(Record):
    """A difference between arms with training seeds as the unit, paired by seed.

    Attributes:
        effect, sd: mean and standard deviation (n - 1) of the differences.
        low, high: 95 % interval of `effect`, Student's t with seeds - 1 degrees of freedom.
        seeds: number of seeds.
        p: two-sided, of the paired t test; None where every seed has the same difference.
        p_holm: after Holm's correction across the table.
    """

    effect: float
    low: float
    high: float
    sd: float
    seeds: int
    p: float | None
    p_holm: float | None = None


def seed_difference(arm: Sequence[float], reference: Sequence[float]) -> SeedDifference:
    """Compare two arms over the same seeds by the paired t test.

    Raises:
        DataError: unequal numbers of seeds, fewer than two, or a value that is not finite.
    """
    from scipy.stats import ttest_rel

    first, second = _paired(arm, reference)
    deltas = first - second
    effect, sd = float(deltas.mean()), float(deltas.std(ddof=1))
    if sd <= SMALLEST_EFFECT * SMALLEST_EFFECT * max(abs(effect), 1.0):
        return SeedDifference(effect=effect, low=effect, high=effect, sd=sd, seeds=len(deltas), p=None)
    test = ttest_rel(first, second)
    low, high = test.confidence_interval(1 - LEVEL)
    return SeedDifference(
        effect=effect, low=float(low), high=float(high), sd=sd, seeds=len(deltas), p=float(test.pvalue)
    )


Place = TypeVar("Place", bound=Hashable)
Tested = TypeVar("Tested", Difference, SeedDifference)


def corrected(
    family: Mapping[Place, Tested], name: Literal["p", "p_equivalent"] = "p"
) -> dict[Place, Tested]:
    """A family of tests with Holm's correction; differences without that p value are left out."""
    tested = {place: p for place, one in family.items() if (p := getattr(one, name)) is not None}
    return {
        place: family[place].model_copy(update={f"{name}_holm": p})
        for place, p in zip(tested, holm(list(tested.values())), strict=True)
    }


def holm(family: Sequence[float]) -> list[float]:
    """Holm's step-down correction of a family of p values, in the given order."""
    from statsmodels.stats.multitest import multipletests

    if not family:
        return []
    return [float(p) for p in multipletests(family, alpha=LEVEL, method="holm")[1]]


def spread(sd: float, smallest: float, binary: bool) -> float:
    """The standard deviation that an equivalence test reckons with.

    If 0/1 scores truly differ by `smallest`, at least that share of the items differs: the variance of the
    differences is then `smallest` * (1 - `smallest`) or more, however few disagree in a sample.
    """
    return max(sd, math.sqrt(smallest * (1 - smallest))) if binary else sd


def deciding_n(effect: float, sd: float, *, family: int) -> int | None:
    """Items after which a true difference of this size is seen with 80 % power.

    None where there is no difference to size: below a ten-thousandth of the standard deviation the number
    would pass a hundred million items.

    Two-sided normal test of a paired mean, at the level of the first and hardest step of Holm's correction.

    Args:
        effect, sd: of the paired differences.
        family: number of tests in the family.
    """
    if abs(effect) <= SMALLEST_EFFECT * sd or sd == 0:
        return None
    level = LEVEL / max(family, 1) / 2
    deviations = NORMAL.inv_cdf(1 - level) + NORMAL.inv_cdf(POWER)
    return math.ceil((deviations * sd / effect) ** 2)


def normal_interval(value: float, stderr: float) -> tuple[float, float]:
    """The 95 % interval of a mean with a known standard error."""
    half = NORMAL.inv_cdf(1 - LEVEL / 2) * stderr
    return value - half, value + half


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` items (Wilson 1927); it has a width also at 0 and at 1."""
    z = NORMAL.inv_cdf(1 - LEVEL / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def unanimous(score: Score) -> bool:
    """Whether all items were wrong or all were right: the standard error is 0 then, however few they are."""
    return score.stderr == 0 and score.value in (0.0, 1.0)


def score_interval(score: Score) -> tuple[float, float]:
    """The 95 % interval of a score: normal, or Wilson's where all items were wrong or all right."""
    if unanimous(score):
        return wilson_interval(score.value, score.n)
    return normal_interval(score.value, score.stderr)


def _paired(arm: Sequence[float], reference: Sequence[float]) -> tuple[Values, Values]:
    import numpy as np

    first, second = np.asarray(arm, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if len(first) != len(second) or len(first) < 2:
        raise DataError(
            "a paired comparison needs two or more items, the same for both arms",
            value=f"{len(first)} and {len(second)} items",
            remedy="evaluate both arms again with the same profile",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError(
            "a per-sample value is not finite",
            value="NaN or infinity",
            remedy="see the sample logs of the two arms; evaluate again",
        )
    return first, second


def _bootstrap(deltas: Values, seed: int) -> tuple[float, float, float]:
    """Percentile interval of the mean and the two-sided p value at zero."""
    import numpy as np
    from scipy.stats import bootstrap

    drawn = bootstrap(
        (deltas,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, NUMBERS_AT_ONCE // len(deltas)),
        confidence_level=1 - LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    means = drawn.bootstrap_distribution
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    low, high = drawn.confidence_interval
    return float(low), float(high), min(1.0, 2 * (tail + 1) / (RESAMPLES + 1))


def _mcnemar(first: Values, second: Values) -> float:
    from statsmodels.stats.contingency_tables import mcnemar

    only_first = int(((first == 1) & (second == 0)).sum())
    only_second = int(((first == 0) & (second == 1)).sum())
    if only_first + only_second == 0:
        return 1.0
    both = int(((first == 1) & (second == 1)).sum())
    neither = len(first) - both - only_first - only_second
    return float(mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue)


def _equivalence(deltas: Values, smallest: float, binary: bool) -> float:
    """The larger p value of two one-sided t tests of the mean against -smallest and smallest.

    0/1 scores without any disagreement: the level at which Clopper-Pearson's upper bound on the share of
    items that differ is `smallest`; with disagreements the p value is never below that.
    """
    from scipy.stats import binomtest, t

    n = len(deltas)
    least = float(binomtest(0, n, smallest, alternative="less").pvalue) if binary else 0.0
    if binary and not deltas.any():
        return least
    room = smallest - abs(float(deltas.mean()))
    error = spread(float(deltas.std(ddof=1)), smallest, binary) / math.sqrt(n)
    return max(least, float(t.sf(room / error, n - 1))) if error else float(room <= 0)


def _agreement_bounds(n: int) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    bound = float(proportion_confint(0, n, alpha=LEVEL, method="beta")[1])
    return -bound, bound
