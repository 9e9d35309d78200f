"""The table of times adds up."""

from __future__ import annotations

import csv
import io

from harness.findings.outcome import Outcome
from harness.report.csv_tables import times_csv
from harness.report.times_table import times_table


def test_the_times_add_up(outcome: Outcome) -> None:
    sheet = times_table(outcome)
    rows = {row.texts[0]: row.texts[1:] for row in sheet.rows}
    assert rows["prepare"] == ("1.0", "", "", "")
    assert rows["train"] == rows["evaluate"] == ("", "1.0", "1.0", "1.0")
    assert rows["evaluate: preference"] == ("", "1.0", "1.0", "1.0")
    assert rows["total"] == ("7.0", "2.0", "2.0", "2.0")  # 1 for prepare, 2 stages of 3 arms
    lines = list(csv.DictReader(io.StringIO(times_csv(outcome))))
    assert [(line["stage"], line["arm"]) for line in lines[:4]] == [
        ("prepare", ""),
        ("train", "base"),
        ("evaluate", "base"),
        ("evaluate preference", "base"),
    ]


def test_a_trained_sae_says_how_long_it_took(outcome: Outcome) -> None:
    assert outcome.sae is not None
    made = outcome.model_copy(update={"sae": outcome.sae.model_copy(update={"made_in_s": 312.4})})
    assert times_table(made).notes[-1] == "The SAE was trained once in 312 s and is kept in the cache."
