"""A table in LaTeX: escaping, booktabs, plain ASCII."""

from __future__ import annotations

import re

from harness.core.sheet import Sheet, line
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge
from harness.report.latex_table import latex, tex
from harness.report.tables import cost_table, table1
from harness.report.verdict_tables import verdict_table


def all_sheets(outcome: Outcome) -> list[Sheet]:
    paper = read_paper()
    verdicts = judge(paper, outcome)
    return [table1(outcome, paper), cost_table(outcome, paper), verdict_table(outcome, verdicts)]


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
