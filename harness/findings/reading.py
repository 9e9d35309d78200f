"""How an analysis of features is read: style-heavy, mixed or truth-heavy, by rules that were written before.

The rules of composition and ablation are docs/decisions/0050-planted-truth.md's, the others
0115-three-truths.md's.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.results import Interval
from harness.findings.activity import CONTEXTS, CompositionResult

STYLE_HEAVY, MIXED, TRUTH_HEAVY = LABELS = ("style-heavy", "mixed", "truth-heavy")
"""From style to truth."""
COMPOSITION_MARGIN, BALANCE_MARGIN = 0.05, 1 / 3
"""A contrast within plus or minus its margin is `mixed`; within a third neither is twice the other."""


def label(contrast: float, margin: float) -> str:
    """`style-heavy` above the margin, `truth-heavy` below minus the margin, otherwise `mixed`."""
    if contrast > margin:
        return STYLE_HEAVY
    return TRUTH_HEAVY if contrast < -margin else MIXED


def sure(one: Interval) -> float:
    """The value, or 0 where its 95 % interval holds 0."""
    return 0.0 if one.low <= 0 <= one.high else one.value


def harm_contrast(harm: Mapping[str, Interval]) -> float:
    """(h_style - h_alignment) / (|h_style| + |h_alignment|), h the loss that masking a category adds."""
    return balance(sure(harm["style"]), sure(harm["alignment"]))


def balance(style: float, alignment: float) -> float:
    """(style - alignment) / (|style| + |alignment|); 0 where both are 0."""
    size = abs(style) + abs(alignment)
    return (style - alignment) / size if size else 0.0


def composition_contrast(result: CompositionResult) -> float:
    """Mean over contexts of change(style) - change(alignment), the changes as in Table 2."""
    changes = {(row.category, row.context): sure(row.change) for row in result.judged()}
    gaps = [changes["style", context] - changes["alignment", context] for context in CONTEXTS]
    return sum(gaps) / len(gaps)
