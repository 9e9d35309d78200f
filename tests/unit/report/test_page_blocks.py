"""The page's tables: the paper's numbers beside ours."""

from __future__ import annotations

from page_toys import classified_by, findings, swept
from report_toys import Run

from harness.core.sheet import Sheet
from harness.findings import (
    AblationResult,
    ClassificationResult,
    Elbow,
)
from harness.findings.outcome import outcome_path, read_outcome
from harness.paper.printed import read_printed
from harness.report.page import adapters, classified, masked, sweeps


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


def test_masks_stand_beside_random_masks() -> None:
    """Inside or outside of the interval of one further draw; losses in nats, shares in percent."""
    result = findings()["ablation"]
    assert isinstance(result, AblationResult)
    rows = [list(row.texts) for row in masked.contrasts(result, "x.json").rows]
    assert rows == [
        ["style", "SimPO loss (nats)", "10", "+0.500", "+0.125 [+0.100, +0.150]", "yes"],
        ["style", "MMLU (%)", "8", "+12.5", "+12.5 [+10.0, +15.0]", "no"],
        ["style", "Lines with Markdown (%)", "4", "-25.0", "+12.5 [+10.0, +15.0]", "yes"],
    ]
    every = masked.under_masks(result, "x.json")
    assert every.headings[-2:] == masked.ANSWER_HEADINGS
    assert list(every.rows[0].texts[-2:]) == ["12.5", "25.0"]


def test_two_adapters_are_held_against_each_other(made: Run) -> None:
    """The second minus the first, and no table where only one arm steers."""
    outcome = read_outcome(outcome_path(made.paths), made_by="report")
    assert adapters.tables(outcome, "table1.json") == ()
    steers = outcome.arms["full-simpo"].model_copy(update={"mean_l0": 7.5, "mean_l1": 0.5, "title": "L0"})
    fsrl = outcome.arms["fsrl"].model_copy(update={"mean_l0": 5.0, "mean_l1": 0.25})
    two = outcome.model_copy(update={"arms": {**outcome.arms, "full-simpo": steers, "fsrl": fsrl}})
    (table,) = adapters.tables(two, "table1.json")
    first, second = (name for name in two.arms if name in ("full-simpo", "fsrl"))
    gap = two.comparisons.differences[second][first]["preference.loss"]
    rows = {row.texts[0].partition(" (")[0]: list(row.texts[1:]) for row in table.rows}
    assert rows["SimPO loss"][2].startswith(f"{gap.effect:+.3f} [{gap.low:+.3f}, ")
    assert rows["Mean L0 of the steering"] == ["7.500", "5.000", "-2.500", "not tested"]
    assert rows["SimPO loss + penalty"][-1] == "not tested"


def test_figure_4_has_its_elbow_and_the_authors_numbers(html: str) -> None:
    assert "elbow: 0.02" in html
    assert "at alpha 0.02, by kneed 0.9.0 (convex, decreasing, S = 1)" in html
    assert "0.02: 3.3337, L0 2057" in html
    assert "12: 2.9358; 18: 5.0548" in html
    table = sweeps.numbers(swept("alpha", (0.01, 0.02)), "sweep-alpha", "x.json", read_printed())
    assert [row.texts[-1] for row in table.rows] == ["2.9358", "3.3337"]
    assert [row.texts[3] for row in table.rows] == ["the least", "+0.125 [+0.100, +0.150]"]
    layers = sweeps.numbers(swept("layer", (1.0, 3.0)), "sweep-layer", "x.json", read_printed())
    assert list(layers.rows[1].texts[6:]) == ["bundle", "0.900", "10.0", "12.5", "no such point"]


def test_without_an_elbow_the_page_says_why() -> None:
    none = Elbow(
        rule="kneed 0.9.0",
        curve="convex",
        direction="decreasing",
        sensitivity=1.0,
        alpha=None,
        reason="no bend",
    )
    result = swept("alpha", (0.01, 0.02)).model_copy(update={"elbow": none})
    table = sweeps.numbers(result, "sweep-alpha", "x.json", read_printed())
    assert any("none (no bend)" in note for note in table.notes)
    assert "dotted" not in sweeps.alt(result)
