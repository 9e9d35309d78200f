"""A sheet on the screen."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.core.sheet import Sheet


def show_sheet(sheet: Sheet, console: Console) -> None:
    """Print a table with its notes; long cells are folded at spaces."""
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
    console.print(table)
    for note in sheet.notes:
        console.print(Text(note, style="dim"), soft_wrap=False)
    console.print()
