"""The table of the arms' answers."""

from __future__ import annotations

from harness.findings import GenerationsResult
from harness.report.page.blocks import Cell, Table, percent


def table(result: GenerationsResult, href: str) -> Table:
    """Length and Markdown of each arm's answers."""
    rows = tuple(
        (
            Cell(title),
            Cell(f"{result.mean_tokens[arm]:.1f}", f"/result/mean_tokens/{arm}", result.mean_tokens[arm]),
            Cell(
                percent(result.mean_markdown[arm], 0),
                f"/result/mean_markdown/{arm}",
                result.mean_markdown[arm],
            ),
        )
        for arm, title in result.titles.items()
    )
    headings = ("Arm", "Mean length (tokens)", "Mean share of lines with Markdown (%)")
    notes = (f"{len(result.conversations)} prompts, from the front of the test pairs.",)
    return Table("answers-means", "Length and Markdown of the answers", headings, rows, notes, href)
