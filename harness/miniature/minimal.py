"""Minimal pairs: two answers to one request that differ in exactly one attribute and in nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from harness.miniature.chat import Request, Topic, belief_topic, fact_topic
from harness.miniature.style import Style, laid_out, stated
from harness.miniature.text import plain
from harness.miniature.world import World

T = TypeVar("T")
ATTRIBUTES = ("layout", "manner", "stance", "truth", "length")
"""The attribute's presence against its absence: headings against running text, polite against neutral, hedged
against unhedged, true against false, two details against one."""


class Fixed(random.Random):
    """Draws that depend on what is drawn from and on nothing that was drawn before.

    The generator of the world's answers draws its phrases in turn; an answer with one more phrase would move
    every later draw. With these draws two answers share all that both have.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.place = seed

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        """The same place of the sequence every time, counted round."""
        return seq[self.place % len(seq)]


def minimal_pairs(world: World, count: int) -> dict[str, list[dict[str, Any]]]:
    """Attribute -> `count` pairs, the answer that has the attribute as chosen; the same for the same world.

    Raises:
        ValueError: the two answers of a pair are the same text.
    """
    rng = random.Random(f"{world.seed}/minimal-pairs")
    topics = [belief_topic(belief) for belief in world.beliefs if not belief.held_out]
    topics += [fact_topic(fact) for fact in world.facts if fact.popular is not None]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ATTRIBUTES}
    for _ in range(count):
        topic, place = rng.choice(topics), rng.randrange(2520)
        request = Request(rng.choice(topic.questions), None)
        base = Style(rng.choice(("plain", "bold", "bullets")), "neutral", "none")
        details, true = tuple(rng.sample(topic.details, 2)), rng.random() < 0.5
        for name in ATTRIBUTES:
            pair = [_answer(topic, place, details, base, name, true, present=one) for one in (True, False)]
            if pair[0] == pair[1]:
                raise ValueError(f"the answers of a minimal pair of {name} are the same: {pair[0]}")
            found[name].append(_row(topic, request, name, pair))
    return found


def _answer(
    topic: Topic, place: int, details: tuple[str, ...], base: Style, name: str, true: bool, *, present: bool
) -> str:
    """The answer with or without one attribute; everything else as `base`, `true` and the two details say."""
    layout, manner, stance = base.layout, base.manner, base.stance
    if name == "layout":
        layout = "headings" if present else "plain"
    elif name == "manner" and present:
        manner = "polite"
    elif name == "stance" and present:
        stance = "hedged"
    elif name == "truth":
        true = present
    elif name == "length" and not present:
        details = details[:1]
    rng, style = Fixed(place), Style(layout, manner, stance)
    return plain(laid_out(rng, style, stated(rng, rng.choice(topic.claims(true)), stance), details))


def _row(topic: Topic, request: Request, name: str, pair: list[str]) -> dict[str, Any]:
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in pair)
    return {
        "prompt": [{"role": "user", "content": request.text}],
        "chosen": chosen,
        "rejected": rejected,
        "topic": topic.key,
        "attribute": name,
    }
