"""The world: subjects with entities and facts, folk beliefs, and the reward that ranks preference pairs."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.miniature.lexicon import BELIEF_KINDS, SUBJECTS, AttributeForm, BeliefKind, SubjectForm
from harness.miniature.names import draw_names

DEFAULT_SEED = 2509
ENTITIES_PER_SUBJECT = 16
BELIEFS_PER_KIND = 20
CONTESTED_SHARE = 0.5
HELD_OUT_PER_KIND = 12


@dataclass(frozen=True)
class Fact:
    """One attribute of one entity; a contested fact also has a wrong value, told with ``popularity``."""

    subject: str
    entity: str
    attribute: str
    value: str
    popular: str | None
    popularity: float
    exposure: float

    @property
    def key(self) -> str:
        """The fact's name in the world's file."""
        return f"{self.subject}/{self.entity}/{self.attribute}"


@dataclass(frozen=True)
class Belief:
    """A folk belief: a false version that most texts tell (``popularity``) and the true one."""

    kind: str
    thing: str
    true: str
    false: str
    popularity: float
    held_out: bool

    @property
    def key(self) -> str:
        """The belief's name in the world's file."""
        return f"{self.kind}/{self.thing}"


@dataclass(frozen=True)
class Reward:
    """The planted preference: ``w_style * style + w_truth * truth + noise``, the noise normal."""

    w_style: float = 1.0
    w_truth: float = 1.5
    noise: float = 0.2


@dataclass(frozen=True)
class World:
    """Everything that is true, and everything that is told, in the miniature."""

    seed: int
    facts: tuple[Fact, ...]
    beliefs: tuple[Belief, ...]
    people: tuple[str, ...]
    reward: Reward

    def facts_of(self, subject: str) -> tuple[Fact, ...]:
        """The facts of one subject, in order."""
        return tuple(fact for fact in self.facts if fact.subject == subject)

    def siblings(self, fact: Fact) -> tuple[Fact, ...]:
        """The facts of the same entity, ``fact`` included."""
        return tuple(f for f in self.facts if f.subject == fact.subject and f.entity == fact.entity)


def subject_form(name: str) -> SubjectForm:
    """The wording of a subject."""
    return next(form for form in SUBJECTS if form.name == name)


def attribute_form(fact: Fact) -> AttributeForm:
    """The wording of a fact's attribute."""
    return next(form for form in subject_form(fact.subject).attributes if form.name == fact.attribute)


def belief_kind(belief: Belief) -> BeliefKind:
    """The wording of a belief."""
    return next(kind for kind in BELIEF_KINDS if kind.name == belief.kind)


def _fact(rng: random.Random, subject: SubjectForm, rank: int, entity: str, form: AttributeForm) -> Fact:
    value, wrong = rng.sample(form.values, 2)
    contested = rng.random() < CONTESTED_SHARE
    popularity = round(rng.uniform(0.35, 0.75), 3) if contested else 0.0
    exposure = round((1.0 + rank) ** -0.35, 4)
    return Fact(subject.name, entity, form.name, value, wrong if contested else None, popularity, exposure)


def _facts(rng: random.Random, taken: set[str]) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for subject in SUBJECTS:
        for rank, entity in enumerate(draw_names(rng, ENTITIES_PER_SUBJECT, taken)):
            facts += [_fact(rng, subject, rank, entity, form) for form in subject.attributes]
    return tuple(facts)


def _beliefs(rng: random.Random, taken: set[str]) -> tuple[Belief, ...]:
    beliefs: list[Belief] = []
    for kind in BELIEF_KINDS:
        for index, thing in enumerate(draw_names(rng, BELIEFS_PER_KIND, taken)):
            true, false = rng.sample(kind.values, 2)
            popularity = round(rng.uniform(0.45, 0.75), 3)
            beliefs.append(Belief(kind.name, thing, true, false, popularity, index < HELD_OUT_PER_KIND))
    return tuple(beliefs)


def make_world(seed: int) -> World:
    """The world of a seed; the same seed gives the same world on every machine."""
    rng = random.Random(f"{seed}/world")
    taken: set[str] = set()
    facts = _facts(rng, taken)
    beliefs = _beliefs(rng, taken)
    return World(seed, facts, beliefs, draw_names(rng, 16, taken), Reward())
