"""Figure 4 on the page: its elbow, and the authors' numbers."""

from __future__ import annotations

from page_toys import swept

from harness.findings.sweep import Elbow
from harness.paper.printed import read_printed
from harness.report.page import sweeps


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
