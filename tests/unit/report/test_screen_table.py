"""A table on the screen, at two widths: a table, or cards where the screen would break its words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.core.sheet import Sheet
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.report.screen_table import show_sheet
from harness.report.tables import cost_table, table1


def shown(sheet: Sheet, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    show_sheet(sheet, console)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 140])
def test_the_screen_shows_every_cell(outcome: Outcome, width: int) -> None:
    text = shown(table1(outcome, read_paper()), width)
    assert max(map(len, text.splitlines())) <= width
    for needed in ("Full SimPO", "6.000", "lost", "2.73", "miniature", "n = 10"):
        assert needed in " ".join(text.split())
    assert "…" not in text


def test_no_word_of_a_wide_table_is_broken_on_eighty_columns(outcome: Outcome) -> None:
    """The cost table has eleven columns; as a table it would be `Trai / nabl / e`."""
    sheet = cost_table(outcome, read_paper())
    text = shown(sheet, 80)
    assert max(map(len, text.splitlines())) <= 80
    for heading in sheet.headings[1:]:
        assert heading in text
    for cell in (cell for row in sheet.rows for cell in row.texts):
        assert cell in text
    assert text.index("Full SimPO") < text.index("3,000,000") < text.index("FSRL") < text.index("200,000")


def test_a_table_that_fits_stays_a_table(outcome: Outcome) -> None:
    lines = shown(cost_table(outcome, read_paper()), 200).splitlines()
    (row,) = [line for line in lines if line.strip().startswith("Full SimPO")]
    assert "3,000,000" in row
    assert "93 GB" in row
