"""What the page consists of besides tables: figures and conversations; and shares as cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.core.sheet import Cell, Sheet
from harness.findings import Interval


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


def percent(value: float, decimals: int = 2, sign: str = "") -> str:
    return f"{100 * value:{sign}.{decimals}f}"


def interval(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 [17.50, 17.68]`, in percent."""
    text = f"{percent(one.value, 2, sign)} [{percent(one.low, 2, sign)}, {percent(one.high, 2, sign)}]"
    return Cell(text, f"{pointer}/value", 100 * one.value)


def plain_error(one: Interval, pointer: str, sign: str = "") -> Cell:
    text = f"{percent(one.value, 2, sign)} ±{percent(one.stderr)}"
    return Cell(text, f"{pointer}/value", 100 * one.value)
