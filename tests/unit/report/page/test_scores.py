"""Table 1 on the page: an arm a row, its difference in the same cell."""

from __future__ import annotations

from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.report.page.scores import own, scores
from harness.report.tables import cost_table


def test_an_arm_is_one_row_and_the_difference_stands_below_its_score(outcome: Outcome) -> None:
    sheet = scores(outcome, "table1.json", read_paper())
    assert [row.texts[0] for row in sheet.rows] == ["Base", "Full SimPO", "FSRL"]
    assert sheet.sortable, "every row stands for itself"
    loss = sheet.rows[1].cells[1]
    assert loss.text == "4.000 ±0.082"
    assert loss.below is not None
    assert loss.below.text.startswith("-2.000 [")
    assert loss.below.pointer == "/comparisons/differences/full-simpo/base/preference.loss/effect"
    assert sheet.rows[0].cells[1].below is None


def test_what_the_paper_prints_is_one_line(outcome: Outcome) -> None:
    (note,) = [one for one in scores(outcome, "t", read_paper()).notes if one.startswith("Paper's values")]
    assert "Full SimPO, SimPO loss: 2.19; FSRL, SimPO loss: 2.73" in note
    other = outcome.model_copy(update={"paper_values": False})
    assert not [one for one in scores(other, "t", read_paper()).notes if "2.19" in one]


def test_what_every_table_of_the_run_repeats_stands_once(outcome: Outcome) -> None:
    sheet = own(cost_table(outcome, read_paper()), outcome)
    assert sheet.title == "Costs"
    assert outcome.note not in sheet.notes
    assert not any("commit" in note for note in sheet.notes)
