"""The written rules: from what an analysis found to `style-heavy`, `mixed` or `truth-heavy`.

They were fixed before any adapter was trained on a planted reward (docs/decisions/0050-planted-truth.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from harness.core.results import Interval
from harness.findings.activity import CONTEXTS, CompositionResult
from harness.findings.masked import AblationResult

STYLE_HEAVY, MIXED, TRUTH_HEAVY = LABELS = ("style-heavy", "mixed", "truth-heavy")
"""From style to truth."""


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


def label(contrast: float, margin: float) -> str:
    """`style-heavy` above the margin, `truth-heavy` below minus the margin, otherwise `mixed`."""
    if contrast > margin:
        return STYLE_HEAVY
    return TRUTH_HEAVY if contrast < -margin else MIXED


def sure(one: Interval) -> float:
    """The value, or 0 where its 95 % interval holds 0."""
    return 0.0 if one.low <= 0 <= one.high else one.value


def composition_contrast(result: CompositionResult) -> float:
    """Mean over contexts of change(style) - change(alignment), the changes as in Table 2."""
    changes = {(row.category, row.context): sure(row.change) for row in result.judged()}
    gaps = [changes["style", context] - changes["alignment", context] for context in CONTEXTS]
    return sum(gaps) / len(gaps)


def ablation_contrast(result: AblationResult) -> float:
    """(h_style - h_alignment) / (|h_style| + |h_alignment|), h the loss that masking a category adds."""
    harm = harms(result)
    style, alignment = sure(harm["style"]), sure(harm["alignment"])
    size = abs(style) + abs(alignment)
    return (style - alignment) / size if size else 0.0


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
        0.05,
        "the mean over the three contexts of change(style) - change(alignment), a change whose 95 % interval "
        "holds 0 counting as 0; mixed within 0.05",
        composition_contrast,
    ),
    "ablation": Rule(
        "ablation",
        "Causal ablation",
        1 / 3,
        "(h_style - h_alignment) / (|h_style| + |h_alignment|), h the loss that masking the category adds, "
        "0 where its 95 % interval holds 0; mixed within 1/3: neither is twice the other",
        ablation_contrast,
    ),
}
"""By analysis."""


def confusion(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Counts, planted label -> recovered label, with every label in both."""
    table = {planted: dict.fromkeys(LABELS, 0) for planted in LABELS}
    for planted, recovered in pairs:
        table[planted][recovered] += 1
    return table


def ordered(contrasts: Sequence[float]) -> bool:
    """Whether contrasts, given from style-heavy to truth-heavy, fall strictly."""
    return all(first > second for first, second in itertools.pairwise(contrasts))
