"""The elbow of a trade-off between sparsity and loss, by kneed's Kneedle and no other rule."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import metadata

from harness.findings.sweep import Elbow

CURVE, DIRECTION = "convex", "decreasing"
LEAST_POINTS = 3


def elbow(
    alphas: Sequence[float], l0s: Sequence[float], losses: Sequence[float], sensitivity: float
) -> Elbow:
    """Kneedle (Satopää et al. 2011) on loss against mean L0: the loss falls as more features are steered,
    first steeply, then hardly; the elbow is the sparsest policy beyond which little is gained.

    Args:
        alphas, l0s, losses: one of each for every point, in any order.
        sensitivity: Kneedle's S; 1 is its authors' and kneed's default.
    """
    from kneed import KneeLocator

    def found(alpha: float | None, reason: str = "") -> Elbow:
        return Elbow(
            rule=f"kneed {metadata.version('kneed')}",
            curve=CURVE,
            direction=DIRECTION,
            sensitivity=sensitivity,
            alpha=alpha,
            reason=reason,
        )

    if len(set(l0s)) < max(LEAST_POINTS, len(l0s)) or len(set(losses)) < 2:
        return found(None, "fewer than three points, or two with the same mean L0 or all with the same loss")
    order = sorted(range(len(l0s)), key=lambda i: l0s[i])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no knee is said below
        knee = KneeLocator(
            [l0s[i] for i in order],
            [losses[i] for i in order],
            S=sensitivity,
            curve=CURVE,
            direction=DIRECTION,
        ).knee
    if knee is None:
        return found(None, "kneed finds no elbow on this curve")
    return found(alphas[list(l0s).index(float(knee))])
