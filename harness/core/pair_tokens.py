"""A tokenised preference pair, as training, arms and evaluation see it."""

from __future__ import annotations

from typing import NamedTuple


class PairTokens(NamedTuple):
    """Token ids of a pair's prompt and of its two responses."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
