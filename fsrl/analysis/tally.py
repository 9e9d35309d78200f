"""Sums over token positions, batch by batch: per feature, and per example for the shares of categories."""

from __future__ import annotations

import torch
from torch import Tensor

from fsrl.adapter import L0_FLOOR
from harness.findings.activity import DENOMINATORS


class Shares:
    """Shares of the categories among the active features, or among those active ones that are classified.

    Args:
        masks_FxC: float32, 1 where a feature belongs to a category.
        examples: how many there are.
        classified_F: bool, the features that the denominator counts; None counts all.

    Attributes:
        share_ExC: float64, sum over an example's positions of each category's share.
        defined_E: int64, positions of an example that have a share: the denominator is not 0.
        padded_total_C, padded_squares_C, padded_positions: of the shares over padding positions and the
            others alike.
    """

    def __init__(self, masks_FxC: Tensor, examples: int, classified_F: Tensor | None = None) -> None:
        categories, device = masks_FxC.shape[1], masks_FxC.device
        self.masks_FxC, self.classified_F = masks_FxC, classified_F
        self.share_ExC = torch.zeros(examples, categories, dtype=torch.float64, device=device)
        self.defined_E = torch.zeros(examples, dtype=torch.int64, device=device)
        self.padded_total_C = torch.zeros(categories, dtype=torch.float64, device=device)
        self.padded_squares_C = torch.zeros(categories, dtype=torch.float64, device=device)
        self.padded_positions = 0

    def add(self, active_NxF: Tensor, example_N: Tensor, real_N: Tensor) -> None:
        """Count the active features of N positions, as `Tally.add` does."""
        if self.classified_F is not None:
            active_NxF = active_NxF & self.classified_F
        live_N = active_NxF.sum(-1)
        share_NxC = ((active_NxF.float() @ self.masks_FxC) / live_N.clamp(min=1).unsqueeze(-1)).double()
        some_N = live_N > 0
        counted_N = some_N & real_N
        self.share_ExC.index_add_(0, example_N[counted_N], share_NxC[counted_N])
        self.defined_E.index_add_(0, example_N[counted_N], torch.ones_like(example_N[counted_N]))
        self.padded_total_C += share_NxC[some_N].sum(0)
        self.padded_squares_C += share_NxC[some_N].square().sum(0)
        self.padded_positions += int(some_N.sum())


class Tally:
    """What one source (the SAE's activations or the steering vector) does in one context.

    Memory is a few numbers a feature and a few an example; a batch of values is seen once and dropped.

    Args:
        masks_FxC: float32, 1 where a feature belongs to a category.
        examples: how many there are.
        classified_F: bool, True where a feature has a label, `other` too.

    Attributes:
        count_F: int64, positions at which abs(value) > 1e-6.
        total_F: float64, sum of the values.
        shares: of the categories, by what the denominator counts (`DENOMINATORS`).
    """

    def __init__(self, masks_FxC: Tensor, examples: int, classified_F: Tensor) -> None:
        features, device = len(masks_FxC), masks_FxC.device
        self.count_F = torch.zeros(features, dtype=torch.int64, device=device)
        self.total_F = torch.zeros(features, dtype=torch.float64, device=device)
        self.shares = {
            name: Shares(masks_FxC, examples, classified_F if name == "classified" else None)
            for name in DENOMINATORS
        }
        self.positions = 0

    def add(self, values_NxF: Tensor, example_N: Tensor, real_N: Tensor) -> None:
        """Count N positions.

        Args:
            values_NxF: activations or steering.
            example_N: int64, whose positions they are.
            real_N: bool, False on padding, which only the padded sums count.
        """
        active_NxF = values_NxF.abs() > L0_FLOOR
        self.positions += int(real_N.sum())
        self.count_F += active_NxF[real_N].sum(0)
        self.total_F += values_NxF[real_N].sum(0, dtype=torch.float64)
        for shares in self.shares.values():
            shares.add(active_NxF, example_N, real_N)

    @property
    def mean_l0(self) -> float:
        """Active features a position, padding left out."""
        return int(self.count_F.sum()) / self.positions

    @property
    def empty(self) -> int:
        """Positions without any active feature, padding left out."""
        return self.positions - int(self.shares["active"].defined_E.sum())
