"""Where a number lies in an artefact: its line in the file, and the value there, from its JSON pointer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

SHORT = 120
"""Characters of a value that is shown; a longer one is a table or a list, of which the line is enough."""


class Place(NamedTuple):
    """A value in a file; `line` counts from 1 and is 0 in a file that the harness did not lay out."""

    line: int
    value: str


class Sources:
    """The artefacts that a page points into.

    Args:
        texts: each file's text, by its path as seen from the page.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts, self._places = texts, {}  # type: ignore[var-annotated]

    def place(self, href: str, pointer: str) -> Place | None:
        """Of the value at a pointer; None where the file is not there or has no such value."""
        if href not in self._places:
            self._places[href] = _places(self._texts[href]) if href in self._texts else {}
        found: Place | None = self._places[href].get(pointer)
        return found


def _places(text: str) -> dict[str, Place]:
    value = json.loads(text)
    laid_out = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) == text.rstrip("\n")
    return {
        pointer: Place(line if laid_out else 0, _shown(one)) for pointer, line, one in _walk(value, "", 1)
    }


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else f"{text[:SHORT]} …"


def _walk(value: Any, pointer: str, line: int) -> Iterator[tuple[str, int, Any]]:
    """Every value with the line on which it begins, one key or entry a line, keys sorted."""
    yield pointer, line, value
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(key, value[key]) for key in sorted(value)]
    elif isinstance(value, list):
        items = [(str(i), one) for i, one in enumerate(value)]
    below = line + 1
    for key, one in items:
        yield from _walk(one, f"{pointer}/{key}", below)
        below += _height(one)


def _height(value: Any) -> int:
    """Lines of a value as `write_json` lays it out."""
    if not isinstance(value, dict | list) or not value:
        return 1
    inner = value.values() if isinstance(value, dict) else value
    return 2 + sum(map(_height, inner))
