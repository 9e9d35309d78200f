"""CAA and DiffMean: the mean difference between the activations of chosen and rejected responses.

Sources: CAA, arXiv 2312.06681 (the answer's last token); DiffMean, AxBench, arXiv 2501.17148 (all tokens).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from harness.core.errors import DataError

Rows = Literal["last_token", "response_mean", "token_mean"]
SHARED = "leave the pair out, or set skip_shared = false for the arm"


class MeanDifference:
    """Sums over pairs, from which the vector of each definition follows; float64, on the CPU.

    Args:
        width: d, of the residual stream.
        skip_shared: leave out the leading response positions at which both responses have the same tokens.
            Their activations are equal, but 1 / n_w and 1 / n_l are not: unskipped, a difference in length
            alone gives a vector.
    """

    def __init__(self, width: int, *, skip_shared: bool = True) -> None:
        self.skip_shared = skip_shared
        self.pairs = 0
        self._by_pair = {name: torch.zeros(width, dtype=torch.float64) for name in ("last", "mean")}
        self._tokens = torch.zeros(2, width, dtype=torch.float64)
        self._counts = [0, 0]
        self._norms, self._positions = 0.0, 0

    def add(self, chosen_WxD: Tensor, rejected_LxD: Tensor, shared: int) -> None:
        """Count one pair.

        Args:
            chosen_WxD, rejected_LxD: residual stream at the positions of each response, in order.
            shared: leading positions at which both responses have the same tokens.

        Raises:
            DataError: nothing is left of a response, or an activation is not finite.
        """
        sides = [side.detach().to("cpu", torch.float64) for side in (chosen_WxD, rejected_LxD)]
        self._measure(sides)
        kept = [side[shared if self.skip_shared else 0 :] for side in sides]
        if not all(map(len, kept)):
            raise DataError(
                "a response has no token after the part that both responses share",
                value=f"pair {self.pairs + 1}: {shared} of {len(sides[0])} and {len(sides[1])} tokens",
                remedy=SHARED,
            )
        self.pairs += 1
        self._by_pair["last"] += kept[0][-1] - kept[1][-1]
        self._by_pair["mean"] += kept[0].mean(0) - kept[1].mean(0)
        for index, side in enumerate(kept):
            self._tokens[index] += side.sum(0)
            self._counts[index] += len(side)

    def _measure(self, sides: list[Tensor]) -> None:
        norms = torch.cat([side.norm(dim=-1) for side in sides])
        if not bool(torch.isfinite(norms).all()):
            raise DataError(
                "an activation of the residual stream is not finite",
                value=f"pair {self.pairs + 1}",
                remedy="look at the model's weights and dtype, or leave the pair out",
            )
        self._norms += float(norms.sum())
        self._positions += len(norms)

    def vector(self, rows: Rows) -> Tensor:
        """(d,) float64: `last_token` and `response_mean` weight pairs alike, `token_mean` tokens.

        Raises:
            DataError: no pair was counted.
        """
        if not self.pairs:
            raise DataError(
                "there is no pair to take a difference of", value=0, remedy="give the arm more pairs"
            )
        if rows == "token_mean":
            chosen, rejected = (
                total / count for total, count in zip(self._tokens, self._counts, strict=True)
            )
            difference_D: Tensor = chosen - rejected
            return difference_D
        mean_D: Tensor = self._by_pair["last" if rows == "last_token" else "mean"] / self.pairs
        return mean_D

    @property
    def resid_norm(self) -> float:
        """Mean length of the residual stream over all response positions, the shared ones too."""
        return self._norms / self._positions if self._positions else math.nan

    @property
    def mean_tokens(self) -> tuple[float, float]:
        """Mean number of counted tokens of a chosen and of a rejected response."""
        return self._counts[0] / self.pairs, self._counts[1] / self.pairs


def shared_prefix(chosen: list[int], rejected: list[int]) -> int:
    """Leading token ids that two responses have in common."""
    pairs = zip(chosen, rejected, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(chosen), len(rejected)))


def cosine(a_D: Tensor, b_D: Tensor) -> float:
    """Cosine of two vectors; 0 where one is 0."""
    length = float(a_D.norm() * b_D.norm())
    return float(a_D @ b_D) / length if length else 0.0
