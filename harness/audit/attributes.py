"""Attributes of an answer that can be counted in its text, without a judge."""

from __future__ import annotations

import re
from collections.abc import Callable

_HEADING = re.compile(r"^ {0,3}#{1,6} ", re.MULTILINE)
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)]) ", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*[^*\n]+\*\*|(?<![*\w])\*[^*\s][^*\n]*\*(?!\*)|__[^_\n]+__")
_FENCED = re.compile(r"^ {0,3}```.*?(?:^ {0,3}```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(?<!`)`[^`\n]+`(?!`)")
_FIRST_PERSON = re.compile(r"\b(?:I|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b")
_HEDGE = re.compile(
    r"\b(?:perhaps|maybe|possibly|probably|might|may|could be|seems?|appears?|I think|I believe|"
    r"as far as I know|not sure|likely|unlikely|in general|generally|typically)\b",
    re.IGNORECASE,
)


def _outside(pattern: re.Pattern[str], text: str) -> float:
    """How often the text has the pattern, code blocks left out: a `#` in code is no heading."""
    return float(len(pattern.findall(_FENCED.sub("", text))))


COUNTED: dict[str, Callable[[str], float]] = {
    "words": lambda text: float(len(text.split())),
    "headings": lambda text: _outside(_HEADING, text),
    "list items": lambda text: _outside(_ITEM, text),
    "emphasis": lambda text: _outside(_EMPHASIS, text),
    "hedges": lambda text: float(len(_HEDGE.findall(text))),
    "questions": lambda text: float(text.count("?")),
    "code": lambda text: len(_FENCED.findall(text)) + _outside(_CODE_SPAN, text),
    "first person": lambda text: float(len(_FIRST_PERSON.findall(text))),
    "markdown": lambda text: float(any(_outside(one, text) for one in (_HEADING, _ITEM, _EMPHASIS))),
}
"""By name: how often the text has it. `code`: blocks and spans. `markdown` is 1 where it has any heading,
list or emphasis."""
