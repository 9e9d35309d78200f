"""What is active where: the census, and Tables 2 to 4 and Figures 3 and 5, which are counted from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.core.results import Interval, Record

CONTEXTS = {"prompt": "prompt", "prompt_chosen": "prompt + chosen", "prompt_rejected": "prompt + rejected"}
"""The three kinds of text whose positions are counted, and how they are called in tables."""
EVERYWHERE = ("prompt_chosen", "prompt_rejected")
"""The two that together are the evaluation set as the loss sees it: each pair as two sequences."""

Denominator = Literal["active", "classified"]
DENOMINATORS: tuple[Denominator, ...] = ("active", "classified")
"""What a share of Table 2 is a share of: all active features, or those of them that have a label (`other` is
one too), which is what the authors count."""


class Padded(Record):
    """Shares over every position of the padded batches, each a draw of its own: the paper's way.

    Attributes:
        positions: positions at which at least one feature is active.
        total, squares: sums of the share and of its square, by category.
    """

    positions: int
    total: dict[str, float]
    squares: dict[str, float]


class ContextCensus(Record):
    """Counts over one context.

    Attributes:
        positions: tokens without padding.
        padding: padding positions of the batches.
        mean_l0: active features a position, by source (`sae`, `steering`).
        empty: positions without any active feature, by source; they have no share.
        padded: by source; empty where it was not asked for.
        padded_classified: the same among the classified features; empty in older results.
    """

    positions: int
    padding: int
    mean_l0: dict[str, float]
    empty: dict[str, int]
    padded: dict[str, Padded]
    padded_classified: dict[str, Padded] = Field(default_factory=dict)


class CensusResult(Record):
    """One pass over the test pairs: what the SAE and the steering vector do at each position.

    Attributes:
        arm: whose steering vector.
        d_sae: features of the dictionary.
        examples: pairs.
        floor: active is abs(value) > floor.
        contexts: by name of `CONTEXTS`.
        categories: features in each.
        described: features with a description.
        classified: features with a label, `other` too; None in results from before it was counted.
        evaluated_l0: the mean L0 that the stage `evaluate` recorded for this arm, which `contexts` must give
            again where it counts the same positions.
    """

    kind: Literal["census"] = "census"
    arm: str
    d_sae: int
    examples: int
    floor: float
    contexts: dict[str, ContextCensus]
    categories: dict[str, int]
    described: int
    classified: int | None = None
    evaluated_l0: float | None


class Composition(Record):
    """A row of Table 2.

    Attributes:
        way: `examples` (bootstrap over examples, padding left out) or `positions` (the paper's way: every
            position of the padded batches a draw of its own).
        denominator: see `DENOMINATORS`.
        sae, steering: mean share of the category among these features of a position.
        change: steering / sae - 1.
    """

    category: str
    context: str
    way: Literal["examples", "positions"]
    denominator: Denominator = "active"
    sae: Interval
    steering: Interval
    change: Interval


class CompositionResult(Record):
    """Table 2.

    Attributes:
        classified, d_sae: features with a label, and all; None in results from before they were counted.
    """

    kind: Literal["composition"] = "composition"
    rows: tuple[Composition, ...]
    examples: int
    resamples: int
    seed: int
    classified: int | None = None
    d_sae: int | None = None

    def judged(self) -> tuple[Composition, ...]:
        """The rows by which claims are judged: an interval over examples, all active features counted."""
        return tuple(row for row in self.rows if (row.way, row.denominator) == ("examples", "active"))


class Ranked(Record):
    """A feature in a ranking.

    Attributes:
        usage: share of the positions at which it steers.
        mean_value: mean of v over all positions, zeros included.
        mean_active: mean of v where it steers.
    """

    feature: int
    description: str
    categories: tuple[str, ...]
    usage: float
    mean_value: float
    mean_active: float


class RankingResult(Record):
    """Tables 3 and 4: the first features of a ranking over all positions of prompt, chosen and rejected."""

    kind: Literal["ranking"] = "ranking"
    by: Literal["usage", "value"]
    rows: tuple[Ranked, ...]
    positions: int
    never: int


class Different(Record):
    """A feature whose SAE activation and steering differ on average."""

    feature: int
    description: str
    categories: tuple[str, ...]
    difference: float
    sae: float
    steering: float


class DifferenceResult(Record):
    """Figure 3: mean of f - v per feature over all positions of prompt, chosen and rejected.

    Attributes:
        mean, mean_absolute: over features.
        edges, counts: histogram of the mean differences.
        largest: by absolute difference, the largest first.
        ordered: mean difference by rank, from the most negative to the most positive, thinned.
    """

    kind: Literal["difference"] = "difference"
    mean: float
    mean_absolute: float
    negative: int
    positive: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    largest: tuple[Different, ...]
    ordered: tuple[float, ...]


class UsageCurve(Record):
    """Usage against rank percentile for one context and group.

    Attributes:
        group: `all` or a category.
        features: in the group; used: with a usage above 0, which alone are in the fit.
        percentile, usage: the curve, thinned.
        slope, intercept: log10(usage) = intercept + slope * percentile; None with fewer than three points.
        r2: of that fit.
    """

    context: str
    group: str
    features: int
    used: int
    percentile: tuple[float, ...]
    usage: tuple[float, ...]
    slope: float | None
    intercept: float | None
    r2: float | None


class UsageResult(Record):
    """Figure 5."""

    kind: Literal["usage"] = "usage"
    curves: tuple[UsageCurve, ...]
