"""What the page consists of besides tables: figures and conversations; and shares as cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.core.results import Interval
from harness.core.sheet import Cell, Sheet, bounded, plus_minus


class Picture(NamedTuple):
    """A figure: `svg` for the page, `alt` in words for who does not see it."""

    name: str
    title: str
    svg: str
    png: bytes
    alt: str
    notes: tuple[str, ...]
    href: str


class Conversations(NamedTuple):
    """Answers side by side, as `harness.findings.GenerationsResult` has them; `pointer` leads to that."""

    name: str
    title: str
    result: Any
    notes: tuple[str, ...]
    href: str
    pointer: str = "/result"


Block = Sheet | Picture | Conversations


class Section(NamedTuple):
    """A part of the page with a heading of its own."""

    name: str
    title: str
    intro: str
    blocks: tuple[Block, ...]


NOT_PRINTED = Cell("not printed")


def interval(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 [17.50, 17.68]`, in percent."""
    return bounded(one.value, one.low, one.high, f"{sign}.2f", f"{pointer}/value", 100)


def plain_error(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 ±0.03`, in percent."""
    return plus_minus(one.value, one.stderr, f"{sign}.2f", f"{pointer}/value", 100)
