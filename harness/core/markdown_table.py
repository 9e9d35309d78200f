"""A sheet as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from harness.core.sheet import Sheet


def markdown(sheet: Sheet) -> str:
    """The title, the table in GitHub's form, and the notes as a list."""
    table = grid(map(_plain, sheet.headings), (map(_plain, row.texts) for row in sheet.rows))
    notes = "\n".join(f"- {_bars(_plain(note))}" for note in sheet.notes)
    return f"**{_bars(_plain(sheet.title))}**\n\n{table}\n\n{notes}\n"


def grid(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The table alone, its cells in Markdown; a bar in one of them does not end it."""
    escaped = [[_bars(cell) for cell in row] for row in (headings, *rows)]
    return tabulate(escaped[1:], headers=escaped[0], tablefmt="github", disable_numparse=True)


def _bars(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """Text that cannot become markup."""
    escaped = text.replace("\\", "\\\\").replace("<", "&lt;").replace("*", "\\*")
    return " ".join(escaped.split())
