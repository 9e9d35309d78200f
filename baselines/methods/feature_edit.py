"""Direct edit of chosen features of an SAE, without an adapter: scale them, or clamp them to a value.

x' = x + (f' - f) W_dec, so that what the SAE does not reconstruct stays. Clamping to a multiple of a
feature's largest activation is that of "Scaling Monosemanticity" (Templeton et al., 2024).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Edit = Literal["scale", "clamp"]


def feature_change(f_NxC: Tensor, strength: float, edit: Edit, sign_C: Tensor, largest_C: Tensor) -> Tensor:
    """f' - f of C chosen features; all 0 at strength 0.

    Args:
        f_NxC: their activations.
        strength: `scale` multiplies a feature by 1 + strength * sign (-1 and sign 1: off), never to below 0;
            `clamp` sets it to strength * sign * largest wherever it is, active or not.
        sign_C: 1 for a feature to be raised, -1 for one to be lowered.
        largest_C: largest activation in the rows of the fit.
    """
    if strength == 0:
        return torch.zeros_like(f_NxC)
    if edit == "scale":
        return f_NxC * (strength * sign_C).clamp(min=-1)
    return strength * sign_C * largest_C - f_NxC


def most_different(
    chosen_F: Tensor, rejected_F: Tensor, spread_F: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Ids and signs of the features whose means differ most between the sides, in units of their spread.

    Args:
        chosen_F, rejected_F: mean activation over the responses of each side.
        spread_F: standard deviation over all responses; a feature without any spread is never taken.

    Returns:
        (C,) int64 ascending, and (C,) 1 or -1; fewer than `count` where not so many features differ.
    """
    gap_F = torch.where(spread_F > 0, (chosen_F - rejected_F) / spread_F.clamp(min=1e-12), 0.0)
    order = torch.argsort(gap_F.abs(), descending=True, stable=True)[:count]
    ids = order[gap_F[order] != 0].sort().values
    return ids, torch.sign(gap_F[ids])
