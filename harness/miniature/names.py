"""Invented names, drawn from syllables: nothing in the world exists or can be disputed."""

from __future__ import annotations

import random

from harness.miniature.lexicon import LEXICON

SYLLABLES = LEXICON.names


def _name(rng: random.Random) -> str:
    stem = "".join(rng.choice(SYLLABLES[part]) for part in ("onsets", "vowels", "codas"))
    return (stem + rng.choice(SYLLABLES["seconds"]) if rng.random() < 0.5 else stem).capitalize()


def draw_names(rng: random.Random, count: int, taken: set[str]) -> tuple[str, ...]:
    """``count`` new names of four letters or more with distinct first three; they are added to ``taken``."""
    starts = {name[:3] for name in taken}
    names: list[str] = []
    while len(names) < count:
        name = _name(rng)
        if len(name) < 4 or name[:3] in starts:
            continue
        starts.add(name[:3])
        taken.add(name)
        names.append(name)
    return tuple(names)
