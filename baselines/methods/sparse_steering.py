"""Sparse activation steering (SAS, arXiv 2503.00177): a vector in the SAE's features, and its edit."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from harness.core.errors import DataError, FitError, ProfileError

Mean = Literal["active", "all"]
Nonlinearity = Literal["sae", "relu", "none"]


class Side:
    """The codes of one side of the pairs, one row a pair, as sums.

    Attributes:
        rows: counted so far.
        active_F: rows in which a feature is above 0.
        sum_F: sum of its values, float64.
    """

    def __init__(self, features: int) -> None:
        self.rows = 0
        self.active_F = torch.zeros(features, dtype=torch.int64)
        self.sum_F = torch.zeros(features, dtype=torch.float64)

    def add(self, code_F: Tensor) -> None:
        """Count the code of one response (mean over its positions: above 0 where any of them is).

        Raises:
            DataError: a value is not finite, or negative.
        """
        code_F = code_F.detach().to("cpu", torch.float64)
        if not bool(torch.isfinite(code_F).all()) or bool((code_F < 0).any()):
            raise DataError(
                "a code of the SAE is not a finite number from 0 on",
                value=f"row {self.rows + 1}",
                remedy="look at the SAE's weights and dtype",
            )
        self.rows += 1
        self.active_F += code_F > 0
        self.sum_F += code_F

    def kept(self, tau: float, mean: Mean) -> Tensor:
        """(F,) means of the features active in a share of at least tau of the rows; 0 for the others.

        Args:
            mean: over the rows in which the feature is active, or over all.
        """
        often_F = (self.active_F > 0) & (self.active_F / max(self.rows, 1) >= tau)
        divisor_F = self.active_F.clamp(min=1) if mean == "active" else max(self.rows, 1)
        return torch.where(often_F, self.sum_F / divisor_F, torch.zeros_like(self.sum_F))


class SparseVector(NamedTuple):
    """A steering vector in the SAE's features.

    Attributes:
        values_F: v, float64.
        chosen, rejected: features that each side keeps.
        common: that both keep.
    """

    values_F: Tensor
    chosen: int
    rejected: int
    common: int

    @property
    def features(self) -> int:
        """Features that are not 0."""
        return int((self.values_F != 0).sum())


def sparse_vector(
    chosen: Side, rejected: Side, tau: float, *, mean: Mean = "active", remove_common: bool = True
) -> SparseVector:
    """Algorithm 1: what chosen rows have often, less what rejected rows have often; common features removed.

    Raises:
        ProfileError: tau is outside (0, 1].
        DataError: fewer than two rows on a side.
        FitError: no feature is left; the message says which threshold emptied the vector.
    """
    if not 0 < tau <= 1:
        raise ProfileError("tau is a share of the rows", value=f"tau = {tau}", remedy="give one in (0, 1]")
    if min(chosen.rows, rejected.rows) < 2:
        raise DataError(
            "a sparse vector needs two pairs or more",
            value=f"{chosen.rows} and {rejected.rows} rows",
            remedy="give the arm more pairs",
        )
    plus_F, minus_F = chosen.kept(tau, mean), rejected.kept(tau, mean)
    common_F = (plus_F != 0) & (minus_F != 0)
    values_F = plus_F - minus_F
    if remove_common:
        values_F = values_F.masked_fill(common_F, 0)
    found = SparseVector(values_F, int((plus_F != 0).sum()), int((minus_F != 0).sum()), int(common_F.sum()))
    if not found.features:
        raise _empty(found, tau, chosen, rejected)
    return found


def _empty(found: SparseVector, tau: float, chosen: Side, rejected: Side) -> FitError:
    before = found.chosen + found.rejected - found.common
    most = max(float((side.active_F / side.rows).max()) for side in (chosen, rejected))
    if not before:
        why, remedy = (
            f"tau is above the largest share of rows, {most:.4g}, in which one is active",
            "lower tau",
        )
    else:
        why = f"tau keeps {before} features, all of them on both sides, and they are removed as common"
        remedy = "raise tau, set remove_common = false"
    return FitError(
        f"no feature is kept: {why}",
        value=f"tau = {tau}: {before} features before the removal of common ones, 0 after",
        remedy=f"{remedy}, or take other rows (rows = 'response_mean')",
    )


def nonlinear(z: Tensor, threshold: Tensor, kind: Nonlinearity) -> Tensor:
    """sigma(z): the SAE's own gate, a plain ReLU (as in YaPO's code), or nothing."""
    if kind == "none":
        return z
    opened = torch.relu(z)
    return opened * (z > threshold) if kind == "sae" else opened


def sparse_change(f_NxF: Tensor, shift_F: Tensor, threshold_F: Tensor, kind: Nonlinearity) -> Tensor:
    """What the edit adds to the code, sigma(f + lambda v) - f: exactly 0 where the shift is.

    Args:
        f_NxF: the SAE's code.
        shift_F: lambda v.
    """
    change_NxF = nonlinear(f_NxF + shift_F, threshold_F, kind) - f_NxF
    return change_NxF.masked_fill(shift_F == 0, 0)


def relu_parts(f_NxF: Tensor, shift_F: Tensor, W_dec_FxD: Tensor) -> tuple[Tensor, Tensor]:
    """The edit under a plain ReLU as a constant (d,) and a suppression (N, d) that depends on x.

    x' - x = sum over shift_i > 0 of shift_i d_i, less sum over shift_i < 0 of min(f_i, |shift_i|) d_i.
    """
    constant_D = torch.relu(shift_F) @ W_dec_FxD
    return constant_D, -torch.minimum(f_NxF, torch.relu(-shift_F)) @ W_dec_FxD
