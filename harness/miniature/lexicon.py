"""The world's wording (`lexicon.toml`): subjects, their attributes, folk beliefs, phrases, names."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

Words = tuple[str, ...]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AttributeForm(_Form):
    """How one attribute is asked and told; ``{e}`` is the entity, ``{v}`` the value."""

    name: str
    values: Words
    questions: Words
    statements: Words


class SubjectForm(_Form):
    """A subject, named as in lm-eval's MMLU, and what its entities are called; ``{n}`` is the bare name."""

    name: str
    entity: str
    attributes: tuple[AttributeForm, ...]
    details: Words


class BeliefKind(_Form):
    """How one kind of belief is asked and told; ``{t}`` is the thing, ``{v}`` the value."""

    name: str
    topic: str
    values: Words
    questions: Words
    claims: Words
    details: Words


class Phrases(_Form):
    """Phrases of manner (openings, closings), stance, verdict (confirm, deny) and layout (headings, more)."""

    openings: Words
    closings: Words
    hedges: Words
    certainties: Words
    honest: Words
    confirm: Words
    deny: Words
    headings: Words
    more: Words


class Lexicon(_Form):
    """The whole file; ``names`` has syllables, ``problems`` the nouns of the word problems."""

    names: dict[str, Words]
    problems: dict[str, Words]
    phrases: Phrases
    subjects: tuple[SubjectForm, ...]
    beliefs: tuple[BeliefKind, ...]


LEXICON = Lexicon.model_validate(
    tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))
)
SUBJECTS, BELIEF_KINDS, PHRASES = LEXICON.subjects, LEXICON.beliefs, LEXICON.phrases
