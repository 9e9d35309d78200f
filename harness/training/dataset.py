"""The tokenised pairs in the order of training, dealt to the ranks so that each pair is trained on once."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.data import Dataset

from harness.training.pairs import PairTokens

Items = tuple[list[int], list[PairTokens]]


class Rows(Dataset[tuple[int, PairTokens]]):
    """Tokenised pairs in the order in which they are trained on; each row is (index, pair).

    Where the last forward passes of all ranks have more room than there are pairs, fillers take it: rows
    whose index is below 0, which `real` takes out again. Without them accelerate would train on the first
    pairs once more.

    Args:
        rows: of one pass in the data's order.
        order: their indices in the order of training.
        together: pairs of one forward pass of all ranks.
    """

    def __init__(self, rows: Sequence[PairTokens], order: Sequence[int], *, together: int = 1) -> None:
        self.rows, self.order = rows, order
        self.fillers = -len(order) % together

    def __len__(self) -> int:
        return len(self.order) + self.fillers

    def __getitem__(self, index: int) -> tuple[int, PairTokens]:
        if index >= len(self.order):
            return ~self.order[0], self.rows[self.order[0]]
        return self.order[index], self.rows[self.order[index]]

    def map(self, *_args: object, **_kwargs: object) -> Rows:
        """trl prepares its datasets by mapping functions over them; these rows are ready."""
        return self


def real(items: Sequence[tuple[int, PairTokens]]) -> tuple[Items, int]:
    """Indices and tokens of a forward pass without fillers, and their number.

    A rank that has nothing but fillers gets one pair, and the number 0: it must take part in the exchange of
    gradients, with a gradient of 0.
    """
    kept = [(index, row) for index, row in items if index >= 0]
    shown = kept or [(~items[0][0], items[0][1])]
    return ([index for index, _ in shown], [row for _, row in shown]), len(kept)


def pairs_of_step(pairs: int, per_step: int, step: int) -> int:
    """Pairs of an optimiser step, counted from 0: `per_step`, and what is left in the last one."""
    return min(per_step, pairs - step * per_step)
