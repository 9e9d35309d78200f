"""A table on the screen, at two widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.report.screen_table import show_sheet
from harness.report.tables import table1


@pytest.mark.parametrize("width", [80, 140])
def test_the_screen_shows_every_cell(outcome: Outcome, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    sheet = table1(outcome, read_paper())
    show_sheet(sheet, console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for needed in ("Full SimPO", "6.000", "lost", "2.73", "miniature", "n = 10"):
        assert needed in " ".join(text.split())
    assert "…" not in text
