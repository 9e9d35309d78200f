"""A sheet as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from harness.render import Sheet


def markdown(sheet: Sheet) -> str:
    """The title, the table in GitHub's form, and the notes as a list."""
    rule = ["---"] * len(sheet.headings)
    table = "\n".join(_line(cells) for cells in (sheet.headings, rule, *(row.cells for row in sheet.rows)))
    notes = "\n".join(f"- {_cell(note)}" for note in sheet.notes)
    return f"**{_cell(sheet.title)}**\n\n{table}\n\n{notes}\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text that cannot break out of its cell or become markup."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return " ".join(escaped.split())
