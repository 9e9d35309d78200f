"""What the page consists of besides tables: figures, answers, items; and shares as cells."""

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
    """Answers side by side, equal ones once; `result` as `harness.findings.GenerationsResult` has it.

    Attributes:
        shown: for each prompt what `harness.report.page.answers.grouped` made of its answers.
        pointer: leads to `result` in the artefact.
    """

    name: str
    title: str
    result: Any
    notes: tuple[str, ...]
    href: str
    shown: tuple[tuple[Any, ...], ...]
    pointer: str = "/result"


class ShownItem(NamedTuple):
    """An item, ready to be read: `lead` says what each arm made of it, `table` how."""

    name: str
    lead: str
    question: str
    options: tuple[tuple[str, bool], ...]
    target: str
    table: Sheet


class Items(NamedTuple):
    """The items of one measure, folded."""

    name: str
    title: str
    shown: tuple[ShownItem, ...]
    notes: tuple[str, ...]


class Text(NamedTuple):
    """Lines to copy."""

    name: str
    title: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Folded(NamedTuple):
    """Tables behind one line."""

    name: str
    title: str
    tables: tuple[Sheet, ...]
    notes: tuple[str, ...] = ()


Block = Sheet | Picture | Conversations | Items | Text | Folded


class Section(NamedTuple):
    """A subject: its heading, a sentence, and what belongs to it."""

    name: str
    title: str
    intro: str
    blocks: tuple[Block, ...]


class Part(NamedTuple):
    """What the page unfolds at a click: sections under one heading.

    Attributes:
        screen_only: whether it is left out on paper, being endless there.
    """

    name: str
    title: str
    sections: tuple[Section, ...]
    screen_only: bool = False


NOT_PRINTED = Cell("not printed")


def interval(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 [17.50, 17.68]`, in percent."""
    return bounded(one.value, one.low, one.high, f"{sign}.2f", f"{pointer}/value", 100)


def plain_error(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 ±0.03`, in percent."""
    return plus_minus(one.value, one.stderr, f"{sign}.2f", f"{pointer}/value", 100)
