"""Tables: cells by hand, and nothing printed that was not measured."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest

from harness.core.markdown_table import markdown
from harness.core.results import Truncation
from harness.core.sheet import Sheet
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge
from harness.report.csv_tables import times_csv
from harness.report.latex_table import latex
from harness.report.page.training import facts as facts_sheet
from harness.report.tables import cost_table, table1, times_table, verdict_summary, verdict_table

Change = Callable[..., Outcome]


def all_sheets(outcome: Outcome) -> list[Sheet]:
    paper = read_paper()
    verdicts = judge(paper, outcome)
    return [table1(outcome, paper), cost_table(outcome, paper), verdict_table(outcome, verdicts)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_table_names_its_run(outcome: Outcome, place: int) -> None:
    for text in (markdown(all_sheets(outcome)[place]), latex(all_sheets(outcome)[place]).replace("\\_", "_")):
        for needed in (
            outcome.note,
            "profile miniature",
            "protocol paper",
            "hardware cpu-x86_64-2c",
            "commit 0123456789ab",
            "training seed 42",
            "MMLU 20",
            "limits: gsm8k all, mmlu all",
        ):
            assert needed in text


def test_uncommitted_changes_and_limits_are_named(outcome: Outcome) -> None:
    limited = outcome.model_copy(update={"dirty": True, "limits": {"tasks.mmlu": 10, "train_pairs": 320}})
    text = markdown(table1(limited, read_paper()))
    assert "commit 0123456789ab with uncommitted changes" in text
    assert "limits: mmlu 10, train_pairs 320" in text


def test_costs_by_hand(outcome: Outcome) -> None:
    rows = {row.texts[0]: row.texts for row in cost_table(outcome, read_paper()).rows}
    # 6,000 tokens in 120 s are 50/s; two epochs in 120 s are a minute each; 6 s of start-up make 2.1 minutes.
    assert rows["Full SimPO"][1:6] == ("3,000,000", "50", "1.00", "2.10", "0.50")
    assert rows["Full SimPO"][6:] == ("n/a (no GPU)", "n/a (no GPU)", "1.25", "93 GB", "105 min")
    assert rows["FSRL"][-2:] == ("55 GB", "50 min")
    assert rows["Base"][1:4] == ("0", "n/a (not trained)", "n/a (not trained)")


def test_what_was_not_measured_is_not_printed(outcome: Outcome, changed: Change) -> None:
    usage = outcome.arms["fsrl"].training_usage
    assert usage is not None
    uncounted = changed("fsrl", training_usage=usage.model_copy(update={"tokens": 0}))
    rows = {row.texts[0]: row.texts for row in cost_table(uncounted, read_paper()).rows}
    assert rows["FSRL"][2] == "n/a (not counted)"
    scores = {k: v for k, v in outcome.arms["fsrl"].scores.items() if k != "mmlu.acc"}
    unscored = table1(changed("fsrl", scores=scores), read_paper())
    assert next(row for row in unscored.rows if row.texts[0] == "FSRL").texts[3] == "n/a (not scored)"
    uncompared = outcome.model_copy(
        update={"comparisons": outcome.comparisons.model_copy(update={"differences": {}})}
    )
    cells = [row.texts for row in table1(uncompared, read_paper()).rows if "base [95 % CI]" in row.texts[0]]
    assert {cell for row in cells for cell in row[1:]} == {"n/a (not compared)"}


def test_different_numbers_of_items_are_shown_in_the_cells(outcome: Outcome, changed: Change) -> None:
    full = outcome.arms["full-simpo"].scores
    scores = {**full, "mmlu.acc": full["mmlu.acc"].model_copy(update={"n": 19})}
    sheet = table1(changed("full-simpo", scores=scores), read_paper())
    assert sheet.headings[3] == "MMLU ↑ (%)"
    assert [row.texts[3] for row in sheet.rows if row.group] == [
        "50.0 ±11.5 (n = 20)",
        "90.0 ±6.9 (n = 19)",
        "60.0 ±11.2 (n = 20)",
    ]


def test_no_number_stands_where_the_paper_lost_one(outcome: Outcome) -> None:
    papers = [row.texts for row in table1(outcome, read_paper()).rows if row.texts[0].strip() == "paper"]
    assert [row[3:] for row in papers] == [("lost",) * 4] * 3
    assert [row[1] for row in papers] == ["not printed", "2.19", "2.73"]


def test_verdicts_of_another_profile_never_say_reproduced_about_the_paper(outcome: Outcome) -> None:
    rows = verdict_table(outcome, judge(read_paper(), outcome)).rows
    assert not [row.texts[0] for row in rows if row.texts[2] == "reproduced"]
    holding = [row.texts[0] for row in rows if row.texts[2] == "arithmetic holds"]
    assert [sentence.split("'")[0] for sentence in holding] == [
        "The alignment classifier",
        "The formatting classifier",
    ], "arithmetic on printed numbers only"


def test_the_summary_counts_what_it_leaves_out(outcome: Outcome) -> None:
    verdicts = judge(read_paper(), outcome)
    sheet = verdict_summary(outcome, verdicts)
    left_out = int(re.findall(r"^(\d+) more claims", sheet.notes[-1])[0])
    assert len(sheet.rows) + left_out == len(verdicts)
    assert "10 lost: untestable" in sheet.notes[-1]


def test_the_sae_is_described_below_table_1(outcome: Outcome) -> None:
    found = table1(outcome, read_paper()).notes[-1]
    assert found == (
        "SAE: explained variance 0.750, mean L0 9.5, 12.5 % dead features, on 1,000 held-out activations."
    )
    unknown = table1(outcome.model_copy(update={"sae": None}), read_paper()).notes[-1]
    assert unknown == "SAE: its quality was not measured here."


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


def test_rows_of_pairs_that_no_arm_used_are_below_table_1_and_on_the_page(
    outcome: Outcome, changed: Change
) -> None:
    cut = Truncation(
        pairs=1988, truncated_prompts=0, truncated_responses=0, left_out={"empty answer": 9, "other": 3}
    )
    before = table1(outcome, read_paper()).notes
    training = outcome.arms["full-simpo"].training
    assert training is not None
    facts = training.model_copy(update={"truncation": cut})
    trained = changed("full-simpo", training=facts)
    said = "12 of 2,000 rows of training pairs left out, the same in every arm: empty answer 9, other 3"
    assert table1(trained, read_paper()).notes == (*before, said)
    assert said in facts_sheet(trained, "table1.json").notes
    tested = changed("base", truncation=cut)
    assert table1(tested, read_paper()).notes == (*before, said.replace("training", "test"))
    assert Outcome.model_validate(tested.model_dump(mode="json")) == tested
    assert "left_out" not in outcome.model_dump_json()
