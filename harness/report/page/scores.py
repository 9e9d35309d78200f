"""Table 1 on the page, an arm a row with its difference below its score; costs and times."""

from __future__ import annotations

from harness.core.measures import BASE
from harness.core.sheet import Cell, Row, Sheet, line
from harness.findings.outcome import Outcome
from harness.findings.seeds import SeedResult
from harness.paper.claims import Paper
from harness.report.page import adapters, comparison, training
from harness.report.page.blocks import Block, Folded, Part, Section
from harness.report.palette import styles
from harness.report.tables import cost_table, notes, table1, times_table

SILENT = ("not printed", "lost")


def part(outcome: Outcome, href: str, paper: Paper, seeds: SeedResult | None) -> Part:
    """Scores, what the arms were trained on, the comparison of many arms, costs and times."""
    costs = own(cost_table(outcome, paper), outcome)._replace(href=href)
    times = own(times_table(outcome), outcome)._replace(href=href)
    blocks: tuple[Block, ...] = (
        scores(outcome, href, paper),
        *adapters.tables(outcome, href),
    )
    return Part(
        "scores",
        "Scores and costs",
        (
            Section("table-1", "Table 1", "What training did to the scores.", blocks),
            *comparison.section(outcome, href, seeds),
            *training.section(outcome, href),
            Section(
                "costs",
                "Costs",
                "What each arm cost.",
                (costs, Folded("times-all", "Seconds of every stage", (times,))),
            ),
        ),
    )


def own(sheet: Sheet, outcome: Outcome) -> Sheet:
    """A table without what every table of the run repeats: its title and the lines on its origin."""
    title = sheet.title.removesuffix(f" {outcome.title}").removesuffix(".")
    said = set(notes(outcome))
    return sheet._replace(title=title, notes=tuple(note for note in sheet.notes if note not in said))


def scores(outcome: Outcome, href: str, paper: Paper) -> Sheet:
    """Table 1 with an arm a row; what the paper prints is a note."""
    full = own(table1(outcome, paper), outcome)
    looks, rows = styles(outcome.arms), []
    by_row = iter(full.rows)
    for name, arm in outcome.arms.items():
        own_row = next(by_row)
        below = next(by_row) if name != BASE else None
        if outcome.paper_values:
            next(by_row)
        kind = f"arm {looks[name].variable.removeprefix('--')}"
        head = Cell(arm.title, kind=kind, below=Cell("vs. base [95 % CI]") if below else None)
        rows.append(_merged(head, own_row, below))
    printed = _printed(outcome, paper)
    remarks = [note for note in full.notes if not note.startswith("paper: ")]
    return full._replace(rows=tuple(rows), notes=(*remarks, *printed), href=href)


def _merged(head: Cell, own_row: Row, below: Row | None) -> Row:
    seconds = below.cells[1:] if below else [None] * (len(own_row.cells) - 1)
    cells = (one._replace(below=other) for one, other in zip(own_row.cells[1:], seconds, strict=True))
    return line(head, *cells, group=True)


def _printed(outcome: Outcome, paper: Paper) -> tuple[str, ...]:
    """The few scores that the paper prints, and how many it does not."""
    if not outcome.paper_values:
        return ()
    cells = {
        f"{arm.title}, {column.title}": paper.printed(f"{name}/{column.name}") or "not printed"
        for name, arm in outcome.arms.items()
        for column in outcome.columns
    }
    known = [f"{where}: {text}" for where, text in cells.items() if text not in SILENT]
    lost = sum(text == "lost" for text in cells.values())
    return (
        f"Paper's values ({paper.reference}): {'; '.join(known) or 'none'}. {lost} more are missing from the "
        "text that we worked from, and the others it does not print. It does not say whether its FSRL loss "
        "includes the penalty.",
    )
