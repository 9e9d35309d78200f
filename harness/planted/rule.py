"""The written rules: from what an analysis found to `style-heavy`, `mixed` or `truth-heavy`.

They were fixed before any adapter was trained on a planted reward (docs/decisions/0050-planted-truth.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from harness.core.results import Interval
from harness.findings.audit import Regression
from harness.findings.masked import AblationResult
from harness.findings.reading import (
    BALANCE_MARGIN,
    COMPOSITION_MARGIN,
    LABELS,
    MIXED,
    STYLE_HEAVY,
    TRUTH_HEAVY,
    composition_contrast,
    harm_contrast,
)

NOTHING = "nothing"
"""What is learned of a reward that cannot be learned."""
LEARNED = (*LABELS, NOTHING)
STYLE_FROM, TRUTH_TO, LEAST_R2 = 0.75, 0.25, 0.01
"""Style's share of what was learned from which it is style-heavy, and to which it is truth-heavy; the R²
below which nothing was learned (docs/decisions/0115-three-truths.md)."""


Counts = dict[str, dict[str, int]]


class Rule(NamedTuple):
    """How one analysis is read.

    Attributes:
        study: whose result is read, as the profile calls it.
        title: for tables.
        margin: a contrast within +- margin is `mixed`.
        text: the rule in words.
        contrast: from the study's result to a number that is positive where style outweighs truth.
    """

    study: str
    title: str
    margin: float
    text: str
    contrast: Callable[[Any], float]


def ablation_contrast(result: AblationResult) -> float:
    """(h_style - h_alignment) / (|h_style| + |h_alignment|), h the loss that masking a category adds."""
    return harm_contrast(harms(result))


def harms(result: AblationResult) -> dict[str, Interval]:
    """What masking a whole category adds to the loss, by category; the interval's width as 4 errors."""
    return {
        row.masked: Interval(
            value=row.difference, stderr=(row.high - row.low) / 4, low=row.low, high=row.high
        )
        for row in result.rows
        if row.masked in ("style", "alignment")
    }


RULES = {
    "composition": Rule(
        "table2",
        "Composition (Table 2)",
        COMPOSITION_MARGIN,
        "the mean over the three contexts of change(style) - change(alignment), a change whose 95 % interval "
        "holds 0 counting as 0; mixed within 0.05",
        composition_contrast,
    ),
    "ablation": Rule(
        "ablation",
        "Causal ablation",
        BALANCE_MARGIN,
        "(h_style - h_alignment) / (|h_style| + |h_alignment|), h the loss that masking the category adds, "
        "0 where its 95 % interval holds 0; mixed within 1/3: neither is twice the other",
        ablation_contrast,
    ),
}
"""By analysis."""


def learned(found: Regression) -> str:
    """What an arm learned of a reward on style and truth: one of `LEARNED`."""
    if found.r2 < LEAST_R2 or all(one.low <= 0 <= one.high for one in found.coefficients.values()):
        return NOTHING
    style = found.shares["style"].value
    if style >= STYLE_FROM:
        return STYLE_HEAVY
    return TRUTH_HEAVY if style <= TRUTH_TO else MIXED


def confusion(pairs: Iterable[tuple[str, str]], rows: Sequence[str], columns: Sequence[str]) -> Counts:
    """Counts, row label -> column label, with every label in both."""
    table = {row: dict.fromkeys(columns, 0) for row in rows}
    for row, column in pairs:
        table[row][column] += 1
    return table


def ordered(contrasts: Sequence[float]) -> bool:
    """Whether contrasts, given from style-heavy to truth-heavy, fall strictly."""
    return all(first > second for first, second in itertools.pairwise(contrasts))
