"""Many arms on the page: a section of their own, which a few do not need."""

from __future__ import annotations

from harness.core.sheet import Sheet
from harness.findings.outcome import Outcome
from harness.report.page import comparison
from harness.report.page.blocks import Picture
from harness.report.page.opening import first_arms


def fifteen(outcome: Outcome) -> Outcome:
    """FSRL under thirteen more names, as if each were an arm."""
    arms, differences = dict(outcome.arms), dict(outcome.comparisons.differences)
    for i in range(13):
        arms[f"arm-{i}"] = arms["fsrl"].model_copy(update={"title": f"Arm {i}"})
        differences[f"arm-{i}"] = differences["fsrl"]
    comparisons = outcome.comparisons.model_copy(update={"differences": differences})
    return outcome.model_copy(update={"arms": arms, "order": tuple(arms), "comparisons": comparisons})


def test_few_arms_are_all_on_the_first_screen(outcome: Outcome) -> None:
    assert first_arms(outcome) == ["full-simpo", "fsrl"]
    assert comparison.section(outcome, "table1.json", None) == ()


def test_fifteen_arms_have_a_figure_and_a_sortable_table(outcome: Outcome) -> None:
    many = fifteen(outcome)
    assert len(first_arms(many)) == 4
    (section,) = comparison.section(many, "table1.json", None)
    picture, table = section.blocks
    assert isinstance(picture, Picture)
    assert isinstance(table, Sheet)
    assert "Arm 12" in picture.svg
    assert len(table.rows) == 15
    assert table.sortable
    assert table.rows[14].texts[:2][0] == "Arm 12"
    assert table.rows[14].texts[1].startswith("-1.000 ["), "FSRL's mean of 5.0 against the base's of 6.0"
