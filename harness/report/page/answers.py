"""The table of the arms' answers."""

from __future__ import annotations

from harness.core.sheet import Sheet, line, numeric
from harness.findings.answers import GenerationsResult


def table(result: GenerationsResult, href: str) -> Sheet:
    """Length and Markdown of each arm's answers."""
    rows = tuple(
        line(
            title,
            numeric(result.mean_tokens[arm], ".1f", f"/result/mean_tokens/{arm}"),
            numeric(result.mean_markdown[arm], ".0f", f"/result/mean_markdown/{arm}", 100),
        )
        for arm, title in result.titles.items()
    )
    headings = ("Arm", "Mean length (tokens)", "Mean share of lines with Markdown (%)")
    notes = (f"{len(result.conversations)} prompts, from the front of the test pairs.",)
    return Sheet("answers-means", "Length and Markdown of the answers", headings, rows, notes, href)
