"""The figure of planted truth: the same bytes for the same result."""

from __future__ import annotations

from planted_toys import result, trial

from harness.findings.reading import LABELS
from harness.planted.figure import _draw, figure
from harness.planted.rule import NOTHING


def test_the_figure_is_the_same_for_the_same_result() -> None:
    unseen = [trial(name, 1, None, arm="full-simpo") for name in (*LABELS, NOTHING)]
    unseen += [trial(NOTHING, 1, None)]
    found = result(*(trial(name, 1, 0.1) for name in LABELS), *unseen)
    first, second = figure(found), figure(found)
    assert first == second
    assert first["svg"].startswith(b"<?xml")
    assert first["png"].startswith(b"\x89PNG")
    other = result(*(trial(name, 1, 0.2) for name in LABELS), *unseen)
    assert figure(other)["svg"] != first["svg"]


def test_an_arm_that_does_not_steer_has_a_panel_of_what_it_learned() -> None:
    """One row of panels an arm and one an analysis: the picture grows with the arms."""
    steering = [trial(name, 1, 0.1) for name in LABELS]
    two = _draw(result(*steering, *(trial(name, 1, None, arm="full-simpo") for name in LABELS)))
    assert [axes.get_title() for axes in two.axes] == [
        "fsrl: what was learned", "", "full-simpo: what was learned", "",
        "Composition (Table 2)", "", "Causal ablation", "",
    ]  # fmt: skip
    assert len(_draw(result(*steering)).axes) == 6
