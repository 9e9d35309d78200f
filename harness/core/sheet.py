"""A table before it has a format: each cell knows its number and where that was read."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: as shown.
        pointer: JSON pointer of the number in the table's artefact; empty where it has none.
        number: the one shown, before it was rounded; a column is sorted by it. None for a cell of words.
        href: another artefact than the table's; empty for the table's own.
        strong: whether it stands out on the screen.
        kind, sign: a class of the page's style sheet, and what stands before the text there.
        below: on the page, a second number under the first.
    """

    text: str
    pointer: str = ""
    number: float | None = None
    href: str = ""
    strong: bool = False
    kind: str = ""
    sign: str = ""
    below: Cell | None = None


class Row(NamedTuple):
    """A line of a table; `group` marks the first line of an arm."""

    cells: tuple[Cell, ...]
    group: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells as shown."""
        return tuple(cell.text for cell in self.cells)


class Sheet(NamedTuple):
    """A table, for every format.

    Attributes:
        name: of its files.
        title: above it.
        headings, rows: each row has as many cells as there are headings.
        notes: below it, one line each; the first of a run's table is the profile's note.
        href: the artefact that its cells point into, as seen from the page; empty where there is no page.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    href: str = ""

    @property
    def sortable(self) -> bool:
        """Whether every line stands for itself; one that belongs to the line above it must stay there."""
        return len({row.group for row in self.rows}) < 2


def line(*cells: Cell | str, group: bool = False) -> Row:
    """A row of cells; a text becomes a cell without a number."""
    return Row(tuple(Cell(one) if isinstance(one, str) else one for one in cells), group)


def numeric(
    value: float | None, spec: str, pointer: str = "", scale: float = 1, missing: str = "n/a"
) -> Cell:
    """A cell with one number.

    Args:
        value: None where it was not measured.
        spec: how `scale * value` is written, as in `format`.
        pointer: of the value in the table's artefact.
        scale: 100 for a share that is shown in percent.
        missing: what stands there instead of None.
    """
    return Cell(missing) if value is None else Cell(f"{scale * value:{spec}}", pointer, scale * value)


def plus_minus(value: float, error: float, spec: str, pointer: str = "", scale: float = 1) -> Cell:
    """`4.668 ±0.165`: a number with its error; the rest as in `numeric`."""
    shown = f"{scale * value:{spec}} ±{scale * error:{spec.removeprefix('+')}}"
    return Cell(shown, pointer, scale * value)


def bounded(value: float, low: float, high: float, spec: str, pointer: str = "", scale: float = 1) -> Cell:
    """`-1.5 [-3.0, -0.2]`: a number with its interval; the rest as in `numeric`."""
    shown, least, largest = (f"{scale * one:{spec}}" for one in (value, low, high))
    return Cell(f"{shown} [{least}, {largest}]", pointer, scale * value)
