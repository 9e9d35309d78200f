"""Least squares of y on x by an affine map of bounded rank, from moments: the rows need not be kept."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AffineFit(NamedTuple):
    """y ~ (x - mean_x) B V_r V_r^T + mean_y, with V_r the first r of V: the best map of rank r or less.

    Attributes:
        mean_x, mean_y: (d,), float64, as the next.
        slope: B (d, d), of ordinary least squares.
        directions: V (d, d), right singular vectors of the fitted values, the largest first.
    """

    mean_x: Tensor
    mean_y: Tensor
    slope: Tensor
    directions: Tensor

    def map(self, rank: int) -> tuple[Tensor, Tensor]:
        """M (d, d) and c (d,) of y ~ x M + c at a rank."""
        lead = self.directions[:, :rank]
        slope = self.slope @ lead @ lead.T
        return slope, self.mean_y - self.mean_x @ slope

    def errors(self, x_NxD: Tensor, y_NxD: Tensor) -> Tensor:
        """(d + 1,) sum over rows of |y - fit|^2 at the ranks 0 to d."""
        rest = y_NxD - self.mean_y
        fitted = ((x_NxD - self.mean_x) @ self.slope) @ self.directions
        gained = 2 * fitted * (rest @ self.directions) - fitted.square()
        total = rest.square().sum()
        return torch.cat([total[None], total - gained.sum(0).cumsum(0)])


class Moments:
    """Sums over rows from which the fit follows: three of (d, d) float64 at most."""

    def __init__(self, d: int, device: torch.device) -> None:
        zeros = {"dtype": torch.float64, "device": device}
        self.rows = 0
        self.x, self.y = torch.zeros(d, **zeros), torch.zeros(d, **zeros)  # type: ignore[call-overload]
        self.xx, self.xy = torch.zeros(d, d, **zeros), torch.zeros(d, d, **zeros)  # type: ignore[call-overload]

    def add(self, x_NxD: Tensor, y_NxD: Tensor) -> None:
        """Count rows in; float64."""
        self.rows += len(x_NxD)
        self.x += x_NxD.sum(0)
        self.y += y_NxD.sum(0)
        self.xx += x_NxD.T @ x_NxD
        self.xy += x_NxD.T @ y_NxD

    def fit(self) -> AffineFit:
        """Centred ordinary least squares, and the order of its directions."""
        mean_x, mean_y = self.x / self.rows, self.y / self.rows
        xx = self.xx - self.rows * torch.outer(mean_x, mean_x)
        xy = self.xy - self.rows * torch.outer(mean_x, mean_y)
        slope = torch.linalg.pinv(xx, hermitian=True) @ xy
        directions = torch.linalg.eigh(slope.T @ xx @ slope).eigenvectors.flip(-1)
        return AffineFit(mean_x, mean_y, slope, directions)
