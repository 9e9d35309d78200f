"""The figure of differences: the same bytes twice."""

from __future__ import annotations

from harness.findings.outcome import Outcome
from harness.report.differences_figure import figure


def test_the_figure_has_the_same_bytes_twice_and_no_date(outcome: Outcome) -> None:
    first, second = figure(outcome), figure(outcome)
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"<svg" in first["svg"]
    assert b"dc:date" not in first["svg"]


def test_the_figure_depends_on_the_numbers(outcome: Outcome) -> None:
    comparisons = outcome.comparisons.model_copy(update={"differences": {}})
    assert figure(outcome)["svg"] != figure(outcome.model_copy(update={"comparisons": comparisons}))["svg"]
