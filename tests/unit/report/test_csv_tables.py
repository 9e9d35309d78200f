"""Tables in CSV: full precision, and empty cells."""

from __future__ import annotations

import csv
import io

from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge
from harness.report.csv_tables import cost_csv, table1_csv, verdicts_csv


def test_csv_has_full_precision_and_empty_cells(outcome: Outcome) -> None:
    rows = list(csv.DictReader(io.StringIO(table1_csv(outcome, read_paper()))))
    assert len(rows) == 3 * 6
    fsrl = next(row for row in rows if (row["arm"], row["measure"]) == ("fsrl", "truthfulqa_mc2.acc"))
    assert float(fsrl["value"]) == outcome.arms["fsrl"].scores["truthfulqa_mc2.acc"].value
    assert (fsrl["paper"], fsrl["test"], fsrl["profile"]) == ("lost", "paired bootstrap", "miniature")
    assert rows[0]["difference_to_base"] == ""
    assert float(fsrl["smallest"]) == 0.01
    assert 0 < float(fsrl["p_equivalent"]) <= float(fsrl["p_equivalent_holm"]) <= 1
    costs = list(csv.DictReader(io.StringIO(cost_csv(outcome, read_paper()))))
    assert [row["training_peak_reserved_gib"] for row in costs] == ["", "", ""]
    assert [row["epoch_s"] for row in costs] == ["", "60.0", "30.0"]
    before = {"comparisons": outcome.comparisons.model_copy(update={"equivalence_family": 0})}
    old = csv.DictReader(io.StringIO(table1_csv(outcome.model_copy(update=before), read_paper())))
    assert "smallest" not in (old.fieldnames or ())
    verdicts = judge(read_paper(), outcome)
    assert len(list(csv.DictReader(io.StringIO(verdicts_csv(outcome, verdicts))))) == len(verdicts)
