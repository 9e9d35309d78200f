"""The objective on a batch: one forward pass of the arm as it stands, and a second with the arm nulled."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.training.pair_logprobs import PairLogprobs

if TYPE_CHECKING:
    from harness.arm import Dial
    from harness.training.objective import Objective

LENGTHS, REFERENCE = "tokens_Bx3", "reference_Bx2"
"""Fields of a batch that the model does not take."""


class PairLoss:
    """Losses of the pairs of a batch.

    Args:
        objective: of the profile.
        dial: the arm's; None where its edit cannot be turned.
        seed: of the factors that are drawn.
    """

    def __init__(self, objective: Objective, dial: Dial | None, seed: int) -> None:
        self.objective, self.dial, self.seed = objective, dial, seed

    def __call__(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> Tensor:
        """(B,) losses in nats; the last forward pass that the arm has seen is the one with its edit.

        Args:
            model: gives (2B,) mean log-probabilities of the fields of `batch` but `LENGTHS` and `REFERENCE`.
            step: optimiser steps done, with which the factor is drawn.
        """
        inputs = {name: field for name, field in batch.items() if name not in (LENGTHS, REFERENCE)}
        nulled_Bx2 = None
        if self.objective.needs_null:
            with self._turned(nulled=True):
                nulled_Bx2 = torch.stack(model(**inputs).chunk(2), dim=-1)
        factor = self._drawn(batch, step)
        with self._turned(factor=factor):
            chosen_B, rejected_B = model(**inputs).chunk(2)
        return self.objective.losses(
            PairLogprobs(chosen_B, rejected_B, batch[LENGTHS], batch.get(REFERENCE), nulled_Bx2, factor)
        )

    def _drawn(self, batch: dict[str, Tensor], step: int) -> float:
        """One of the objective's factors; a resumed training draws what an uninterrupted one would."""
        if not self.objective.factors:
            return 1.0
        key = (self.seed, step, batch["input_ids_BxT"].sum().item())
        return random.Random(repr(key)).choice(self.objective.factors)

    @contextmanager
    def _turned(self, *, factor: float = 1.0, nulled: bool = False) -> Iterator[None]:
        if self.dial is None:
            yield
            return
        self.dial.factor, self.dial.nulled = factor, nulled
        try:
            yield
        finally:
            self.dial.factor, self.dial.nulled = 1.0, False
