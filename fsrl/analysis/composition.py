"""Table 2: the shares of alignment and style features among the active ones, and how steering moves them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from fsrl.analysis.counted import Counted, counted
from harness.core.errors import DataError
from harness.core.results import Interval
from harness.core.statistics import RESAMPLES
from harness.findings.activity import (
    CONTEXTS,
    DENOMINATORS,
    Composition,
    CompositionResult,
    Denominator,
    Padded,
)
from harness.findings.features import CATEGORIES
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

SUMMARY = "Table 2: the composition of the active features, for the SAE and for the steering vector."
LAYOUT = 2
READS = ("census",)
ALL_ARMS = False
NORMAL_95 = 1.959963984540054


class Config(Options):
    """Options.

    Attributes:
        resamples: of the bootstrap over examples.
    """

    resamples: Annotated[int, Field(gt=0)] = RESAMPLES


def run(config: Config, scene: StudyScene) -> Found:
    """Table 2 in both ways, the second where the census kept the padded sums, and by both denominators.

    Raises:
        DataError: no feature of a category is known, or one never has an active feature to compare with.
    """
    census, seed = counted(scene), scene.profile.training.seed
    empty = [name for name, size in census.result.categories.items() if not size]
    if empty:
        raise DataError(
            "no feature is known to belong to a category, so Table 2 has nothing to count",
            value=", ".join(empty),
            remedy="name a file with categories in [features] of the profile, or leave this study out",
        )
    rows = []
    for category, context, kind in itertools.product(CATEGORIES, CONTEXTS, DENOMINATORS):
        rows.append(by_examples(census, category, context, kind, config.resamples, seed))
        kept = census.result.contexts[context]
        padded = kept.padded_classified if kind == "classified" else kept.padded
        if padded:
            rows.append(by_positions(padded["sae"], padded["steering"], category, context, kind))
    result = CompositionResult(
        rows=tuple(rows),
        examples=census.result.examples,
        resamples=config.resamples,
        seed=seed,
        classified=census.result.classified,
        d_sae=census.result.d_sae,
    )
    return Found(result)


def by_examples(
    census: Counted, category: str, context: str, denominator: Denominator, resamples: int, seed: int
) -> Composition:
    """Means over positions; the interval from a bootstrap that draws whole examples."""
    sums = [
        census.arrays[f"{context}.{source}.{denominator}.{what}"].astype(float)
        for source in ("sae", "steering")
        for what in (f"share.{category}", "defined")
    ]
    sae, steering, change = bootstrapped(sums, resamples, seed, f"{category}, {context}, {denominator}")
    return Composition(
        category=category,
        context=context,
        way="examples",
        denominator=denominator,
        sae=sae,
        steering=steering,
        change=change,
    )


def shares(sums: Sequence[Numbers]) -> tuple[Any, Any, Any]:
    """Mean share of the SAE, of the steering vector, and the relative change; not finite where undefined.

    Args:
        sums: of the share and of the positions that have one, for the SAE and then for the steering vector;
            by example along the last axis.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        sae = sums[0].sum(-1) / sums[1].sum(-1)
        steering = sums[2].sum(-1) / sums[3].sum(-1)
        return sae, steering, steering / sae - 1


def bootstrapped(sums: Sequence[Numbers], resamples: int, seed: int, what: str) -> tuple[Interval, ...]:
    """The three numbers of `shares` with percentile intervals and bootstrap standard errors.

    Raises:
        DataError: a share is not defined because nothing is active.
    """
    import numpy as np

    found = shares(sums)
    draws = [np.concatenate(part) for part in zip(*_draws(sums, resamples, seed), strict=True)]
    if not all(np.isfinite(one).all() for one in (*found, *draws)):
        raise DataError(
            "a share of active features is not defined: nothing is active, or nothing of the category",
            value=what,
            remedy="raise data.test_pairs, or train the adapter until it steers",
        )
    return tuple(
        Interval(
            value=float(value),
            stderr=float(draw.std(ddof=1)),
            low=float(np.quantile(draw, 0.025)),
            high=float(np.quantile(draw, 0.975)),
        )
        for value, draw in zip(found, draws, strict=True)
    )


def _draws(sums: Sequence[Numbers], resamples: int, seed: int) -> list[tuple[Any, Any, Any]]:
    """Resampled shares, some hundred resamples at a time; whole examples are drawn, all sums together."""
    import numpy as np

    generator, examples = np.random.default_rng(seed), len(sums[0])
    at_once = max(1, 2_000_000 // examples)
    found = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        weights = generator.multinomial(examples, np.full(examples, 1 / examples), size=size)
        found.append(shares([(weights @ column)[:, None] for column in sums]))
    return found


def by_positions(
    sae: Padded, steering: Padded, category: str, context: str, denominator: Denominator = "active"
) -> Composition:
    """The paper's way: padding counted, every position a draw, errors propagated as if independent."""
    base, steered = (_of_positions(one, category) for one in (sae, steering))
    change = steered.value / base.value - 1
    relative = math.hypot(base.stderr / base.value, steered.stderr / steered.value) if steered.value else 0.0
    return Composition(
        category=category,
        context=context,
        way="positions",
        denominator=denominator,
        sae=base,
        steering=steered,
        change=_normal(change, (1 + change) * relative),
    )


def _of_positions(one: Padded, category: str) -> Interval:
    n, mean = one.positions, one.total[category] / one.positions
    variance = max(one.squares[category] / n - mean**2, 0.0) * n / max(n - 1, 1)
    return _normal(mean, math.sqrt(variance / n))


def _normal(value: float, stderr: float) -> Interval:
    return Interval(
        value=value, stderr=stderr, low=value - NORMAL_95 * stderr, high=value + NORMAL_95 * stderr
    )
