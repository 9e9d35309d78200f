"""The table of a held-back search: what a fitted arm tried, and what it chose."""

from __future__ import annotations

from typing import Any

from harness.core.record import Record


class Tried(Record):
    """One candidate of a held-back search.

    Attributes:
        options: what it set, by the names of the arm's options.
        strength: how strongly the arm then edits; at 0 it is the base.
        loss: mean SimPO loss of the held-back pairs, in nats.
    """

    options: dict[str, Any]
    strength: float
    loss: float


class Search(Record):
    """How a fitted arm was tuned, on pairs held back from the training pairs.

    Attributes:
        pairs, rows_sha256: how many, and the digest of their tokens.
        budget: candidates that the profile allows each arm.
        tried: all candidates in their order.
        chosen: place of the one with the least loss.
        at_edge: whether its strength, not 0, is the least or the largest of more than two.
    """

    pairs: int
    rows_sha256: str
    budget: int
    tried: tuple[Tried, ...]
    chosen: int
    at_edge: bool

    @property
    def best(self) -> Tried:
        """The candidate that was chosen; one of strength 0 says that no strength helped."""
        return self.tried[self.chosen]
