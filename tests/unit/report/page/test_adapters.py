"""Two adapters on the page, one minus the other."""

from __future__ import annotations

from report_toys import Run

from harness.findings.outcome import outcome_path, read_outcome
from harness.report.page import adapters


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
