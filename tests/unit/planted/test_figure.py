"""The figure of planted truth: the same bytes for the same result."""

from __future__ import annotations

from planted_toys import result, trial

from harness.planted.figure import figure
from harness.planted.rule import (
    LABELS,
)


def test_the_figure_is_the_same_for_the_same_result() -> None:
    found = result(*(trial(name, 1, 0.1) for name in LABELS))
    first, second = figure(found), figure(found)
    assert first == second
    assert first["svg"].startswith(b"<?xml")
    assert first["png"].startswith(b"\x89PNG")
    other = result(*(trial(name, 1, 0.2) for name in LABELS))
    assert figure(other)["svg"] != first["svg"]
