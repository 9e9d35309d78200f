"""The rank at which low-rank adapters have about as many entries as something else."""

from __future__ import annotations


def matched(entries: int, a_rank: int) -> int:
    """The rank, 1 or more, whose entries, `a_rank` each, are nearest to these; of equally near the least."""
    return max(1, -((a_rank - 2 * entries) // (2 * a_rank)))
