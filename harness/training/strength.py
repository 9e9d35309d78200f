"""The strength of a fitted arm: the declared values that are tried on pairs held back, and which one is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.errors import FitError, ProfileError


def best_of(grid: Sequence[float], losses: Sequence[float]) -> float:
    """The strength with the least loss; ties go to the smaller absolute value, then to the positive.

    Raises:
        FitError: no loss is finite.
    """
    tried = [(loss, abs(s), -s) for s, loss in zip(grid, losses, strict=True) if math.isfinite(loss)]
    if not tried:
        raise FitError(
            "no strength has a finite loss on the pairs held back",
            value=list(losses),
            remedy="take smaller strengths into the arm's grid",
        )
    return -min(tried)[2] + 0.0


def check_grid(grid: Sequence[float]) -> None:
    """Refuse strengths that cannot be searched.

    Raises:
        ProfileError: fewer than two, one twice, none of them 0, or one that is not finite.
    """
    if len(set(grid)) < max(2, len(grid)) or 0 not in grid or not all(map(math.isfinite, grid)):
        raise ProfileError(
            "the strengths to be searched must be two or more different finite numbers, one of them 0",
            value=f"grid = {list(grid)}",
            remedy="name strengths on both sides of 0, such as grid = [-1.0, 0.0, 1.0]",
        )


def at_edge(grid: Sequence[float], taken: float) -> bool:
    """Whether the search ended at an end of its grid, so that a better strength may lie beyond."""
    return taken in (min(grid), max(grid))
