"""The three ways to one step: transcription, lean, and lean with a warm activation cache."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from lean import Lean
from subject import Sizes, Subject, build
from torch import Tensor
from transcription import Transcription

from harness.training.pairs import PairTokens

VARIANTS = ("transcription", "lean", "cached")


class Step:
    """Forward and backward over every batch; the optimiser, equal in all, is left out.

    Attributes:
        subject: what is trained.
        losses: of the last call.
    """

    def __init__(self, variant: str, sizes: Sizes) -> None:
        self.subject: Subject = build(sizes)
        self.losses: list[float] = []
        self._loss: Callable[[list[PairTokens]], Tensor]
        if variant == "transcription":
            self._loss = Transcription(self.subject).loss
            return
        lean = Lean(self.subject)
        self._loss = lean.loss
        if variant == "cached":
            lean.remember()
            self._loss = lean.cached_loss

    def __call__(self) -> None:
        self.subject.adapter.zero_grad(set_to_none=True)
        self.losses = []
        for rows in self.subject.batches:
            loss = self._loss(rows)
            loss.backward()
            self.losses.append(float(loss.detach()))
