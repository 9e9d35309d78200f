"""Lengths of synthetic preference pairs, in tokens, from one stated and seeded distribution."""

from __future__ import annotations

import math
from typing import NamedTuple

SEED = 20250818
MEAN_PROMPT, MEAN_RESPONSE, OF_LENGTH = 200, 350, 2048
"""Means of the paper's data as the project states them, where prompt and response may have 2048 tokens."""
SPREAD = 0.7
"""Standard deviation of the logarithm of a length."""
SHORTEST = 8
STATED = (
    f"log-normal, sigma {SPREAD} of the logarithm, mean prompt {MEAN_PROMPT} and mean response "
    f"{MEAN_RESPONSE} tokens where max_length is {OF_LENGTH} (in proportion elsewhere), clipped to "
    f"what fits, seed {SEED}"
)


class Lengths(NamedTuple):
    """Tokens of one pair."""

    prompt: int
    chosen: int
    rejected: int


def draw_lengths(pairs: int, *, max_length: int, max_prompt_length: int, seed: int = SEED) -> list[Lengths]:
    """Lengths of pairs, each independent: see `STATED`.

    A log-normal with mean m and sigma s of the logarithm has mu = log m - s^2 / 2.

    Args:
        max_length: bound on prompt and response together.
        max_prompt_length: bound on the prompt.
    """
    import numpy as np

    scale = max_length / OF_LENGTH
    draw = np.random.default_rng(seed)
    means = (MEAN_PROMPT * scale, MEAN_RESPONSE * scale, MEAN_RESPONSE * scale)
    columns = [draw.lognormal(math.log(mean) - SPREAD**2 / 2, SPREAD, pairs) for mean in means]
    found = []
    for prompt, chosen, rejected in zip(*columns, strict=True):
        head = _bounded(prompt, min(max_prompt_length, max_length - SHORTEST))
        found.append(Lengths(head, *(_bounded(x, max_length - head) for x in (chosen, rejected))))
    return found


def _bounded(value: float, most: int) -> int:
    return max(1, min(most, max(SHORTEST, round(float(value)))))


def padded_tokens(lengths: list[Lengths], pairs_per_batch: int) -> int:
    """Positions that go through the model when batches of so many pairs are padded, in the given order."""
    total = 0
    for start in range(0, len(lengths), pairs_per_batch):
        batch = lengths[start : start + pairs_per_batch]
        total += 2 * len(batch) * max(one.prompt + max(one.chosen, one.rejected) for one in batch)
    return total


def real_tokens(lengths: list[Lengths]) -> int:
    """Positions without padding."""
    return sum(2 * one.prompt + one.chosen + one.rejected for one in lengths)
