"""A sheet as Markdown."""

from __future__ import annotations

from tabulate import tabulate

from harness.report.tables import Sheet


def markdown(sheet: Sheet) -> str:
    """The title, the table in GitHub's form, and the notes as a list."""
    table = tabulate(
        [[_cell(cell) for cell in row.cells] for row in sheet.rows],
        headers=[_cell(heading) for heading in sheet.headings],
        tablefmt="github",
        disable_numparse=True,
    )
    notes = "\n".join(f"- {_cell(note)}" for note in sheet.notes)
    return f"**{_cell(sheet.title)}**\n\n{table}\n\n{notes}\n"


def _cell(text: str) -> str:
    """Text that cannot break out of its cell or become markup."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return " ".join(escaped.split())
