"""What the arms say: answers to the same prompts."""

from __future__ import annotations

from typing import Literal

from harness.core.results import GenerationFacts, Record


class Token(Record):
    """A generated token and the features steered most at the position that produced it."""

    text: str
    features: tuple[tuple[int, float], ...] = ()


class Answer(Record):
    """An arm's answer to a prompt."""

    arm: str
    text: str
    tokens: tuple[Token, ...]
    markdown: float
    ended: bool


class Conversation(Record):
    """The arms' answers to one prompt."""

    prompt: str
    answers: tuple[Answer, ...]


class GenerationsResult(Record):
    """Answers side by side.

    Attributes:
        titles: of the arms, in order.
        descriptions: of every feature that is named in an answer.
        mean_tokens, mean_markdown: by arm; markdown is the share of lines that carry Markdown.
        generation: settings in force; None in artefacts from before they were recorded.
    """

    kind: Literal["generations"] = "generations"
    conversations: tuple[Conversation, ...]
    titles: dict[str, str]
    descriptions: dict[str, str]
    mean_tokens: dict[str, float]
    mean_markdown: dict[str, float]
    max_new_tokens: int
    generation: GenerationFacts | None = None
