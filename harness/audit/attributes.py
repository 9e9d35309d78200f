"""Attributes of an answer that can be counted in its text, without a judge."""

from __future__ import annotations

import re
from collections.abc import Callable

_HEADING = re.compile(r"^ {0,3}#{1,6} ", re.MULTILINE)
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)]) ", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*[^*\n]+\*\*|(?<![*\w])\*[^*\s][^*\n]*\*(?!\*)|__[^_\n]+__")
_FENCE = re.compile(r"```|(?<!`)`[^`\n]+`(?!`)")
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I'll|I've|I'd|me|my|mine|myself)\b")
_HEDGE = re.compile(
    r"\b(?:perhaps|maybe|possibly|probably|might|may|could be|seems?|appears?|I think|I believe|"
    r"as far as I know|not sure|likely|unlikely|in general|generally|typically)\b",
    re.IGNORECASE,
)

COUNTED: dict[str, Callable[[str], float]] = {
    "words": lambda text: float(len(text.split())),
    "headings": lambda text: float(len(_HEADING.findall(text))),
    "list items": lambda text: float(len(_ITEM.findall(text))),
    "emphasis": lambda text: float(len(_EMPHASIS.findall(text))),
    "hedges": lambda text: float(len(_HEDGE.findall(text))),
    "questions": lambda text: float(text.count("?")),
    "code": lambda text: float(len(_FENCE.findall(text))),
    "first person": lambda text: float(len(_FIRST_PERSON.findall(text))),
    "markdown": lambda text: float(
        bool(_HEADING.search(text) or _ITEM.search(text) or _EMPHASIS.search(text))
    ),
}
"""By name: how often the text has it; `markdown` is 1 where it has any heading, list or emphasis."""
