"""A name that is not there, and the one that was probably meant. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`; did you mean fsrl?`, or nothing where no name is close."""
    close = get_close_matches(given, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
