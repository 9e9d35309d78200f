"""The miniature's evaluation sets in the exact fields of MMLU, TruthfulQA (multiple choice) and GSM8K."""

from __future__ import annotations

import random
from typing import Any

from harness.miniature.chat import Topic, belief_topic
from harness.miniature.lexicon import SUBJECTS
from harness.miniature.multiple_choice import ChoiceItem, draw_items, identity
from harness.miniature.problems import LARGE, Problem, make_problem
from harness.miniature.style import capitalised
from harness.miniature.world import World

TEST_PER_SUBJECT = 400
DEV_PER_SUBJECT = 5
PROBLEMS = {"test": 800, "train": 64}
LARGE_PROBLEMS = 320

Row = dict[str, Any]


def choice_sets(world: World) -> dict[str, list[ChoiceItem]]:
    """``SUBJECT/dev`` and ``SUBJECT/test``: 5 and 400 items each, no item twice."""
    rng = random.Random(f"{world.seed}/multiple-choice")
    taken: set[tuple[str, tuple[str, ...]]] = set()
    sets: dict[str, list[ChoiceItem]] = {}
    for subject in SUBJECTS:
        sets[f"{subject.name}/test"] = draw_items(rng, world, subject.name, TEST_PER_SUBJECT, taken)
        sets[f"{subject.name}/dev"] = draw_items(rng, world, subject.name, DEV_PER_SUBJECT, taken)
    return sets


def held_out_items(world: World) -> set[tuple[str, tuple[str, ...]]]:
    """The identities of all test items: the training text must contain none of them."""
    sets = choice_sets(world).items()
    return {identity(item) for name, items in sets if name.endswith("/test") for item in items}


def _targets(true: list[str], false: list[str]) -> Row:
    return {"choices": true + false, "labels": [1] * len(true) + [0] * len(false)}


def _belief_row(rng: random.Random, topic: Topic, question: str) -> Row:
    true = [capitalised(c) for c in rng.sample(topic.true_claims, 3)]
    false = [capitalised(c) for c in rng.sample(topic.false_claims, 3)]
    one, all_true = _targets(true[:1], false), _targets(true, false)
    return {"question": question, "mc1_targets": one, "mc2_targets": all_true}


def belief_set(world: World) -> list[Row]:
    """A row for each question of each belief: three true wordings and three false ones as choices."""
    rng = random.Random(f"{world.seed}/beliefs")
    topics = [belief_topic(belief) for belief in world.beliefs]
    return [_belief_row(rng, topic, question) for topic in topics for question in topic.questions]


def drawn_problems(world: World) -> dict[str, list[Problem]]:
    """``test`` and ``train``: word problems with one-digit numbers, no question twice."""
    rng = random.Random(f"{world.seed}/problems")
    seen: set[str] = set()
    sets: dict[str, list[Problem]] = {split: [] for split in PROBLEMS}
    for split, count in PROBLEMS.items():
        while len(sets[split]) < count:
            problem = make_problem(rng, world.people)
            if problem.question not in seen:
                seen.add(problem.question)
                sets[split].append(problem)
    return sets


def problem_sets(world: World) -> dict[str, list[Problem]]:
    """``test`` and ``train``; the last LARGE_PROBLEMS of the test have two-digit numbers, rare in the
    training text, and some larger than any there.

    A model that has learned the forms solves nearly all of the others: without these the test is saturated.
    """
    sets = drawn_problems(world)
    rng = random.Random(f"{world.seed}/wide-problems")
    large: dict[str, Problem] = {}
    while len(large) < LARGE_PROBLEMS:
        problem = make_problem(rng, world.people, LARGE)
        large.setdefault(problem.question, problem)
    return {**sets, "test": sets["test"][:-LARGE_PROBLEMS] + list(large.values())}
