"""Synthetic preference pairs of drawn lengths, written as rows like real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.sources.synthetic.lengths import SEED, Lengths, draw_lengths
from harness.sources.synthetic.tokenizer import FIRST_WORD, word

PROMPT_FRAME = 4
"""BOS, start of turn, `user`, end of turn."""
RESPONSE_FRAME = 4
"""Start of turn, `model`, end of turn, end of sequence."""


def write_pairs(
    path: Path, pairs: int, *, vocabulary: int, max_length: int, max_prompt_length: int, seed: int
) -> list[Lengths]:
    """Write JSON lines of pairs whose tokenised lengths are the drawn ones.

    Args:
        vocabulary: entries of the synthetic tokenizer.
        seed: added to the seed of the distribution; training and test pairs take different ones.

    Returns:
        The lengths, frames of the turns included.
    """
    lengths = draw_lengths(
        pairs, max_length=max_length, max_prompt_length=max_prompt_length, seed=SEED + seed
    )
    draw = np.random.default_rng((SEED, seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in _rows(lengths, vocabulary, draw))
    return lengths


def _rows(
    lengths: list[Lengths], vocabulary: int, draw: np.random.Generator
) -> Iterator[dict[str, list[dict[str, str]]]]:
    for one in lengths:
        prompt, chosen, rejected = (
            " ".join(map(word, draw.integers(FIRST_WORD, vocabulary, tokens - frame)))
            for tokens, frame in zip(one, (PROMPT_FRAME, RESPONSE_FRAME, RESPONSE_FRAME), strict=True)
        )
        yield {
            "prompt": [{"role": "user", "content": prompt}],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }
