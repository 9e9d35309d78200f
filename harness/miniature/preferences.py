"""Preference pairs: two answers of different style and truth, ranked by the world's planted reward."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from harness.miniature.chat import Request, Topic, belief_topic, fact_topic, make_answer, make_request
from harness.miniature.style import Style, any_style
from harness.miniature.text import Spans, plain
from harness.miniature.world import Reward, World

PAIRS = {"train": 6000, "dev": 1000, "test": 3000}
"""Pairs of each split: train to learn from, dev to choose settings on, test to read results from."""
BELIEF_SHARE = 0.6
DETAILS = 1
"""Sentences beside the claim: a pair's answers are short, so that its truth, a word or two, is not lost in
the mean over tokens that SimPO compares."""
TRUTH_SCORE = {(True, False): 1.0, (True, True): 0.8, (False, True): 0.3, (False, False): 0.0}


@dataclass(frozen=True)
class Candidate:
    """One answer with its planted qualities; ``reward`` contains the noise."""

    answer: Spans
    style: Style
    true: bool
    truth: float
    reward: float

    def record(self, suffix: str) -> dict[str, Any]:
        """The audit fields of the candidate, their names ending in ``_SUFFIX``."""
        return {
            f"style_{suffix}": round(self.style.score, 4),
            f"layout_{suffix}": self.style.layout,
            f"manner_{suffix}": self.style.manner,
            f"stance_{suffix}": self.style.stance,
            f"is_true_{suffix}": self.true,
            f"truth_{suffix}": self.truth,
            f"reward_{suffix}": round(self.reward, 6),
        }


def _candidate(
    rng: random.Random, topic: Topic, request: Request, reward: Reward, *, true: bool
) -> Candidate:
    style = any_style(rng, true=true)
    truth = TRUTH_SCORE[true, style.stance == "hedged"]
    value = reward.w_style * style.score + reward.w_truth * truth + rng.gauss(0.0, reward.noise)
    return Candidate(
        make_answer(rng, topic, request, style, true=true, details=DETAILS), style, true, truth, value
    )


def _row(rng: random.Random, topic: Topic, reward: Reward) -> dict[str, Any] | None:
    request = make_request(rng, topic)
    pair = [_candidate(rng, topic, request, reward, true=rng.random() < 0.5) for _ in range(2)]
    chosen, rejected = sorted(pair, key=lambda candidate: -candidate.reward)
    if plain(chosen.answer) == plain(rejected.answer):
        return None
    return {
        "prompt": [{"role": "user", "content": request.text}],
        "chosen": [{"role": "assistant", "content": plain(chosen.answer)}],
        "rejected": [{"role": "assistant", "content": plain(rejected.answer)}],
        "topic": topic.key,
        **chosen.record("chosen"),
        **rejected.record("rejected"),
    }


def preference_sets(world: World) -> dict[str, list[dict[str, Any]]]:
    """``train``, ``dev`` and ``test``: pairs about contested facts and the beliefs not held out."""
    rng = random.Random(f"{world.seed}/preferences")
    beliefs = [belief_topic(belief) for belief in world.beliefs if not belief.held_out]
    facts = [fact_topic(fact) for fact in world.facts if fact.popular is not None]
    sets: dict[str, list[dict[str, Any]]] = {}
    for split, count in PAIRS.items():
        rows: list[dict[str, Any]] = []
        while len(rows) < count:
            topic = rng.choice(beliefs if rng.random() < BELIEF_SHARE else facts)
            if row := _row(rng, topic, world.reward):
                rows.append(row)
        sets[split] = rows
    return sets
