"""What a number of items can show: the power of the paired tests, and the items that equivalence needs."""

from __future__ import annotations

import math
from bisect import bisect_left

from harness.core.statistics import LEVEL, NORMAL, POWER


def direction_power(effect: float, sd: float, n: int, *, family: int) -> float:
    """The chance that a true difference is significant.

    Two-sided normal test of a paired mean, at the level of the first and hardest step of Holm's correction.

    Args:
        effect, sd: of the paired differences; `sd` above 0.
        n: number of items.
        family: number of tests in the family.
    """
    needed = NORMAL.inv_cdf(1 - LEVEL / max(family, 1) / 2)
    shift = abs(effect) * math.sqrt(n) / sd
    return NORMAL.cdf(shift - needed) + NORMAL.cdf(-shift - needed)


def equivalence_power(effect: float, sd: float, n: int, *, smallest: float, family: int) -> float:
    """The chance that two one-sided tests show a true difference to be within `smallest`; otherwise as
    `direction_power`."""
    error = sd / math.sqrt(n)
    needed = NORMAL.inv_cdf(1 - LEVEL / max(family, 1))
    above, below = (smallest - effect) / error - needed, (smallest + effect) / error - needed
    return max(0.0, NORMAL.cdf(above) + NORMAL.cdf(below) - 1)


def equivalence_n(effect: float, sd: float, *, smallest: float, family: int) -> int | None:
    """Items after which a true difference of this size is shown to be within `smallest` with 80 % power.

    None where the difference is as large as `smallest`, so that no number would do.

    Args:
        effect, sd: of the paired differences.
        family: number of equivalence tests in the family.
    """
    room = smallest - abs(effect)
    if room <= 0:
        return None
    deviations = NORMAL.inv_cdf(1 - LEVEL / max(family, 1)) + NORMAL.inv_cdf((1 + POWER) / 2)
    enough = math.ceil((deviations * sd / room) ** 2)

    def power(n: int) -> float:
        return equivalence_power(effect, sd, n, smallest=smallest, family=family)

    return 2 + bisect_left(range(2, enough + 1), POWER, key=power)


def agreement_n(smallest: float, *, family: int) -> int:
    """Items after which 0/1 scores that never disagree are shown to differ by less than `smallest`: fewer
    would all agree by chance, if that share of them differed, more often than the corrected level allows."""
    return math.ceil(math.log(LEVEL / max(family, 1)) / math.log1p(-smallest))
