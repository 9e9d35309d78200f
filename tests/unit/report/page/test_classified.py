"""Table 6 on the page: the paper's numbers beside ours."""

from __future__ import annotations

from page_toys import classified_by, findings
from report_toys import Run

from harness.core.sheet import Sheet
from harness.findings.classification import ClassificationResult
from harness.paper.printed import read_printed
from harness.report.page import classified


def test_table_6_has_the_papers_numbers_beside_ours() -> None:
    result = findings()["classification"]
    assert isinstance(result, ClassificationResult)
    table = classified.table6(result, "x.json", read_printed())
    first = list(table.rows[0].texts)
    assert first[2:] == [
        "0.900", "(3, 5, 1, 1)", "0.125 [0.100, 0.150]", "0.847", "(27, 227, 22, 24)", "0.448",
    ]  # fmt: skip
    assert table.rows[3].texts[-1] == "0.764"
    assert any("lead-in" in note for note in table.notes)


def test_every_classifier_that_was_run_is_on_the_page(made: Run) -> None:
    (section,) = classified.sections({"local": classified_by(made, "local")}, "../x", read_printed())
    (table,) = section.blocks
    assert isinstance(table, Sheet)
    rows = [list(row.texts) for row in table.rows]
    assert rows[0][1:] == [
        "language model, here", "alignment", "3 of 20", "8", "0.750", "(2, 4, 1, 1)",
        "0.125 [0.100, 0.150]", "0.847", "(27, 227, 22, 24)", "0.448",
    ]  # fmt: skip
    assert rows[1][2:6] == ["style", "5 of 20", "0", "n/a (no labels)"]
    assert rows[1][-1] == "0.764"
    assert {cell.href for row in table.rows for cell in row.cells if cell.pointer} == {"../x/local.json"}
    assert classified.sections({}, "../x", read_printed()) == ()
