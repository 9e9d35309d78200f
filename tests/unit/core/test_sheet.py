"""Tables before they have a format: cells with their number, and Markdown."""

from __future__ import annotations

from harness.core.markdown_table import grid, markdown
from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric, plus_minus


def test_a_cell_keeps_the_number_that_it_shows() -> None:
    assert numeric(0.125, ".1f", "/a", 100) == Cell("12.5", "/a", 12.5)
    assert numeric(1234, ",") == Cell("1,234", number=1234)
    assert numeric(-0.5, "+.2f", "/b") == Cell("-0.50", "/b", -0.5)


def test_what_was_not_measured_has_no_number_and_no_pointer() -> None:
    assert numeric(None, ".1f", "/a", missing="n/a (no GPU)") == Cell("n/a (no GPU)")


def test_a_line_takes_words_as_they_are() -> None:
    made = line("a", Cell("1", number=1), group=True)
    assert made == Row((Cell("a"), Cell("1", number=1)), group=True)
    assert made.texts == ("a", "1")


def test_lines_that_belong_to_the_one_above_are_not_sorted() -> None:
    alone, part = line("a", group=True), line("  paper")
    assert Sheet("x", "t", ("h",), (alone, alone)).sortable
    assert Sheet("x", "t", ("h",), (part, part)).sortable
    assert not Sheet("x", "t", ("h",), (alone, part)).sortable


def test_markdown_is_title_table_and_notes() -> None:
    sheet = Sheet("x", "T *", ("a|b", "c"), (line("1 < 2", "x\ny"),), ("one", "two"))
    table = ["| a\\|b     | c   |", "|----------|-----|", "| 1 &lt; 2 | x y |"]
    assert markdown(sheet).splitlines() == ["**T \\***", "", *table, "", "- one", "- two"]


def test_the_grid_alone_leaves_markdown_in_its_cells() -> None:
    assert grid(("k",), [("`a|b` **assumed**",)]).splitlines()[-1] == "| `a\\|b` **assumed** |"


def test_a_number_with_its_error_or_its_interval() -> None:
    assert plus_minus(0.125, 0.01, ".1f", "/a", 100) == Cell("12.5 ±1.0", "/a", 12.5)
    assert plus_minus(0.5, 0.25, "+.2f") == Cell("+0.50 ±0.25", number=0.5)
    assert bounded(-0.5, -1.0, 0.25, "+.2f", "/b") == Cell("-0.50 [-1.00, +0.25]", "/b", -0.5)
