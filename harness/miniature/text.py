"""Text with roles: every generated text is a sequence of spans, each with its role."""

from __future__ import annotations

from typing import Literal, NamedTuple

Role = Literal["style", "truth", "content"]
ROLES: tuple[Role, ...] = ("style", "truth", "content")


class Span(NamedTuple):
    """A piece of text and its role: style (layout, manner), truth (honesty, hedges, certainty) or content."""

    text: str
    role: Role


Spans = tuple[Span, ...]


def plain(spans: Spans) -> str:
    """The text of the spans, joined."""
    return "".join(span.text for span in spans)


def role_per_character(spans: Spans) -> list[Role]:
    """The role of every character of ``plain(spans)``, in order."""
    return [span.role for span in spans for _ in span.text]


def strip(spans: Spans) -> Spans:
    """The spans without leading and trailing white space, as a chat template trims its content."""
    kept = [span for span in spans if span.text]
    while kept and not kept[0].text.strip():
        kept.pop(0)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[0] = Span(kept[0].text.lstrip(), kept[0].role)
        kept[-1] = Span(kept[-1].text.rstrip(), kept[-1].role)
    return tuple(kept)
