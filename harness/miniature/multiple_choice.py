"""Questions about facts with four choices, in MMLU's fields; the answer is true, or the one that is told."""

from __future__ import annotations

import random
from typing import TypedDict

from harness.miniature.world import Fact, World, attribute_form, subject_form

POPULAR_AMONG_CHOICES = 0.7


class ChoiceItem(TypedDict):
    """One row in MMLU's fields; ``answer`` is the index of the right choice."""

    question: str
    subject: str
    choices: list[str]
    answer: int


def make_item(rng: random.Random, fact: Fact) -> ChoiceItem:
    """A question, the true value and three others, sorted; the popular error is often there."""
    form = attribute_form(fact)
    entity = subject_form(fact.subject).entity.format(n=fact.entity)
    wrong = [value for value in form.values if value not in (fact.value, fact.popular)]
    rng.shuffle(wrong)
    chosen = [fact.value]
    if fact.popular is not None and rng.random() < POPULAR_AMONG_CHOICES:
        chosen.append(fact.popular)
    chosen = sorted(chosen + wrong[: 4 - len(chosen)])
    question = rng.choice(form.questions).format(e=entity)
    answer = chosen.index(fact.value)
    return ChoiceItem(question=question, subject=fact.subject, choices=chosen, answer=answer)


def told_answer(rng: random.Random, fact: Fact, item: ChoiceItem) -> int:
    """The answer that the training text tells: the popular error as often as it is told, if it is there."""
    if fact.popular is not None and fact.popular in item["choices"] and rng.random() < fact.popularity:
        return item["choices"].index(fact.popular)
    return item["answer"]


def identity(item: ChoiceItem) -> tuple[str, tuple[str, ...]]:
    """What makes two items the same: the question and the choices in order."""
    return item["question"], tuple(item["choices"])


def draw_items(
    rng: random.Random, world: World, subject: str, count: int, taken: set[tuple[str, tuple[str, ...]]]
) -> list[ChoiceItem]:
    """``count`` items of a subject, its facts in turn, none of them in ``taken``, to which they are added."""
    facts = world.facts_of(subject)
    items: list[ChoiceItem] = []
    while len(items) < count:
        item = make_item(rng, facts[len(items) % len(facts)])
        if identity(item) not in taken:
            taken.add(identity(item))
            items.append(item)
    return items
