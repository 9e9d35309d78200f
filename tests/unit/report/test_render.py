"""Tables and figure: cells by hand, escaping, nothing printed that was not measured, the same bytes twice."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from harness.core.markdown_table import markdown
from harness.core.sheet import Sheet, line
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge
from harness.report.csv_tables import cost_csv, table1_csv, times_csv, verdicts_csv
from harness.report.differences_figure import figure
from harness.report.latex_table import latex, tex
from harness.report.screen_table import show_sheet
from harness.report.tables import cost_table, table1, verdict_summary, verdict_table
from harness.report.times_table import times_table

Change = Callable[..., Outcome]

TABLE1 = """\
**Table 1. The bundled miniature: a 3 M parameter Gemma-2 in an invented world**

| Arm | SimPO loss ↓ (nats, n = 10) | SimPO loss + penalty ↓ (nats, n = 10) | MMLU ↑ (%, n = 20) | \
TruthfulQA MC2 ↑ (%, n = 20) | GSM8K strict ↑ (%, n = 20) | GSM8K flexible ↑ (%, n = 20) |
|---|---|---|---|---|---|---|
| Base | 6.000 ±0.180 | 6.000 ±0.180 | 50.0 ±11.5 | 41.0 ±0.2 | 60.0 ±11.2 | 60.0 ±11.2 |
| paper | not printed | not printed | lost | lost | lost | lost |
| Full SimPO | 4.000 ±0.082 | 4.000 ±0.082 | 90.0 ±6.9 | 56.0 ±0.2 | 20.0 ±9.2 | 20.0 ±9.2 |
"""


def squeezed(text: str) -> str:
    """Markdown without the padding that lines its columns up."""
    return re.sub(r"-{3,}", "---", re.sub(r" +", " ", text))


def all_sheets(outcome: Outcome) -> list[Sheet]:
    paper = read_paper()
    verdicts = judge(paper, outcome)
    return [table1(outcome, paper), cost_table(outcome, paper), verdict_table(outcome, verdicts)]


def test_table_1_in_markdown(outcome: Outcome) -> None:
    text = markdown(table1(outcome, read_paper()))
    assert squeezed(text).startswith(TABLE1)
    lines = squeezed(text).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == [
        "| Arm",
        "| Base",
        "| paper",
        "| Full SimPO",
        "| - base [95 %]",
        "| paper",
        "| FSRL",
        "| - base [95 %]",
        "| paper",
    ]
    fsrl = [line for line in lines if line.startswith("| - base")][1]
    # -0.75 is the difference of the penalised losses, 5.25 - 6; it is not tested, so that it has no star.
    assert "| -1.000 [-1.220, -0.780] \\* | -0.750 [-0.970, -0.530] | +10.0 [+0.0, +25.0] |" in fsrl
    assert lines[-2].startswith("- paper: arXiv 2509.12934v1; `lost`")


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
    cells = [row.texts for row in table1(uncompared, read_paper()).rows if "base [95 %]" in row.texts[0]]
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
    reproduced = [row.texts[0] for row in rows if row.texts[2] == "reproduced"]
    assert [sentence.split("'")[0] for sentence in reproduced] == [
        "The alignment classifier",
        "The formatting classifier",
    ], "arithmetic on printed numbers only"


def test_the_summary_counts_what_it_leaves_out(outcome: Outcome) -> None:
    verdicts = judge(read_paper(), outcome)
    sheet = verdict_summary(outcome, verdicts)
    left_out = int(re.findall(r"^(\d+) more claims", sheet.notes[-1])[0])
    assert len(sheet.rows) + left_out == len(verdicts)
    assert "10 lost: untestable" in sheet.notes[-1]


def test_latex_escapes_everything_that_is_a_command() -> None:
    assert tex(r"50 % & a_b #1 {x} ~ ^ $ \cmd < >") == (
        r"50 \% \& a\_b \#1 \{x\} \textasciitilde{} \textasciicircum{} \$ "
        r"\textbackslash{}cmd \textless{} \textgreater{}"
    )
    assert tex("±1 [2] *") == r"$\pm$1 {[}2{]} {*}"


def test_latex_of_hostile_cells_has_the_tables_own_commands_only() -> None:
    sheet = Sheet("table1", r"\input{x}", ("a & b",), (line(r"\end{table} % x", group=True),), ("50 %",))
    text = latex(sheet)
    assert text.count(r"\end{table}") == 1
    assert r"\input{x}" not in text
    assert r"a \& b \\" in text
    assert r"\textbackslash{}end\{table\} \% x \\" in text


def test_latex_is_booktabs_with_as_many_columns_as_cells(outcome: Outcome) -> None:
    for sheet in all_sheets(outcome):
        text = latex(sheet)
        for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
            assert rule in text
        body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(sheet.headings) - 1}
        assert not re.search(r"[^\x00-\x7f]", text), "plain ASCII compiles everywhere"


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


def test_markdown_cells_cannot_break_out() -> None:
    sheet = Sheet("x", "t", ("a|b",), (line("<script> * \n new", group=True),), ("n",))
    assert "| a\\|b |" in squeezed(markdown(sheet))
    assert "| &lt;script> \\* new |" in squeezed(markdown(sheet))


def test_csv_has_full_precision_and_empty_cells(outcome: Outcome) -> None:
    rows = list(csv.DictReader(io.StringIO(table1_csv(outcome, read_paper()))))
    assert len(rows) == 3 * 6
    fsrl = next(row for row in rows if (row["arm"], row["measure"]) == ("fsrl", "truthfulqa_mc2.acc"))
    assert float(fsrl["value"]) == outcome.arms["fsrl"].scores["truthfulqa_mc2.acc"].value
    assert (fsrl["paper"], fsrl["test"], fsrl["profile"]) == ("lost", "paired bootstrap", "miniature")
    assert rows[0]["difference_to_base"] == ""
    costs = list(csv.DictReader(io.StringIO(cost_csv(outcome, read_paper()))))
    assert [row["training_peak_reserved_gib"] for row in costs] == ["", "", ""]
    assert [row["epoch_s"] for row in costs] == ["", "60.0", "30.0"]
    verdicts = judge(read_paper(), outcome)
    assert len(list(csv.DictReader(io.StringIO(verdicts_csv(outcome, verdicts))))) == len(verdicts)


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


def test_the_figure_has_the_same_bytes_twice_and_no_date(outcome: Outcome) -> None:
    first, second = figure(outcome), figure(outcome)
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"<svg" in first["svg"]
    assert b"dc:date" not in first["svg"]


def test_the_figure_depends_on_the_numbers(outcome: Outcome) -> None:
    comparisons = outcome.comparisons.model_copy(update={"differences": {}})
    assert figure(outcome)["svg"] != figure(outcome.model_copy(update={"comparisons": comparisons}))["svg"]
