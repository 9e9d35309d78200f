"""The order in which training goes through the pairs, equal for every arm."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def batch_order(
    pairs: int, epochs: int, seed: int, *, lengths: Sequence[int] = (), window: int = 0, batch: int = 1
) -> list[int]:
    """Indices of the pairs in the order of training: a seeded permutation an epoch, equal for every arm.

    All epochs draw from one generator, so that runs of neighbouring seeds share no epoch's order.

    Args:
        lengths: of each pair, in tokens.
        window: pairs of a stretch of the permutation that are sorted by length and cut into batches; the
            batches are shuffled again, so that no step holds only long pairs. 0 leaves the permutation as is.
        batch: pairs of a batch.
    """
    order: list[int] = []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        drawn = torch.randperm(pairs, generator=generator).tolist()
        for start in range(0, pairs if window else 0, window or 1):
            part = drawn[start : start + window]
            drawn[start : start + window] = _by_length(part, lengths, batch, generator)
        order += drawn
    return order


def _by_length(
    part: Sequence[int], lengths: Sequence[int], batch: int, generator: torch.Generator
) -> list[int]:
    """The pairs of a window in batches of like length, whole batches in a drawn order, a short one last."""
    ordered = sorted(part, key=lambda index: (lengths[index], index))
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    short = [batches.pop()] if len(batches[-1]) < batch else []
    drawn = torch.randperm(len(batches), generator=generator).tolist()
    return [index for one in [*(batches[i] for i in drawn), *short] for index in one]
