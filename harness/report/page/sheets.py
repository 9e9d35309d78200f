"""The harness' own tables (Table 1, costs, times, verdicts) as tables of the page."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.measures import BASE
from harness.findings.outcome import Outcome
from harness.report.page.blocks import Cell, Table
from harness.report.tables import Sheet


def from_sheet(sheet: Sheet, href: str, pointers: Sequence[Sequence[str]]) -> Table:
    """A table of the harness' own; `pointers` has one for each cell after the first of a row, or none.

    A line that belongs to the one above it is given that one's name, so that the table can be sorted.
    """
    rows, group = [], ""
    for row, given in zip(sheet.rows, pointers, strict=True):
        group = row.cells[0] if row.group else group
        first = row.cells[0] if row.group else f"{group}: {row.cells[0].strip()}"
        rows.append((Cell(first), *(Cell(text, at) for text, at in zip(row.cells[1:], given, strict=True))))
    return Table(sheet.name, sheet.title, sheet.headings, tuple(rows), sheet.notes, href)


def table1_pointers(outcome: Outcome) -> list[list[str]]:
    """Scores, differences to the base and the paper's (which is in no artefact), arm by arm."""
    names, found = outcome.measures, []
    for arm in outcome.arms:
        found.append([f"/arms/{arm}/scores/{name}/value" for name in names])
        if arm != BASE:
            found.append([f"/comparisons/differences/{arm}/{BASE}/{name}/effect" for name in names])
        found.append([""] * len(names))
    return found


def cost_pointers(outcome: Outcome, width: int) -> list[list[str]]:
    """Usage of each arm's training; the last two columns are the paper's."""
    return [[f"/arms/{arm}/training_usage"] * (width - 3) + ["", ""] for arm in outcome.arms]
