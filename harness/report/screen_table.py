"""A sheet on the screen: a table, or a card for each row where the screen would break its words."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.core.sheet import Sheet

ENDLESS = 10_000
"""Columns on which every table is as wide as it wants to be."""


def show_sheet(sheet: Sheet, console: Console) -> None:
    """Print a table with its notes; long cells are folded at spaces, and never inside a word."""
    table = _table(sheet)
    unfolded = console.options.update(width=ENDLESS, max_width=ENDLESS)
    if Measurement.get(console, unfolded, table).minimum <= console.width:
        console.print(table)
    else:
        _cards(sheet, console)
    for note in sheet.notes:
        console.print(Text(note, style="dim"), soft_wrap=False)
    console.print()


def _table(sheet: Sheet) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title=Text(sheet.title, style="bold"), title_justify="left", pad_edge=False
    )
    for place, heading in enumerate(sheet.headings):
        table.add_column(Text(heading), overflow="fold", min_width=4 if place else 11)
    grouped = any(row.group for row in sheet.rows)
    for row in sheet.rows:
        if row.group and table.rows:
            table.add_section()
        cells = (Text(cell.text, style="bold" if cell.strong else "") for cell in row.cells)
        table.add_row(*cells, style="dim" if grouped and not row.group else "")
    return table


def _cards(sheet: Sheet, console: Console) -> None:
    """Each row as its first cell, and below it a line for every other cell: heading and text."""
    console.print(Text(sheet.title, style="bold"))
    for row in sheet.rows:
        first, *rest = row.cells
        console.print(Text(first.text, style="bold" if row.group else ""))
        lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 2))
        lines.add_column(max_width=console.width // 2)
        lines.add_column(overflow="fold")
        for heading, cell in zip(sheet.headings[1:], rest, strict=True):
            if cell.text:
                lines.add_row(
                    Text(heading, style="dim"), Text(cell.text, style="bold" if cell.strong else "")
                )
        console.print(lines)
    console.print()
