"""The two figures of the methods: the same bytes again, every arm but the base in both."""

from __future__ import annotations

import methods_toys as toys

from harness.core.results import Interval
from harness.report.methods_figure import figures

NAMES = ["methods-cost.png", "methods-cost.svg", "methods-damage.png", "methods-damage.svg"]


def test_both_figures_in_both_formats_and_again_the_same() -> None:
    found = figures(toys.result())
    assert sorted(found) == NAMES
    assert found["methods-damage.png"].startswith(b"\x89PNG")
    assert figures(toys.result()) == found
    assert found["methods-cost.svg"] != found["methods-damage.svg"]


def test_an_arm_that_is_the_base_can_be_drawn() -> None:
    none = Interval(value=0.0, stderr=0.0, low=0.0, high=0.0)
    still = toys.row("still", kl=none, gain=toys.difference(0.0), train_s=0.0)
    result = toys.result().model_copy(update={"rows": (*toys.result().rows, still)})
    assert figures(result)["methods-damage.svg"] != figures(toys.result())["methods-damage.svg"]


def test_more_arms_than_markers_can_be_drawn() -> None:
    rows = [toys.row(f"arm-{i}", kind=("fitted", "trained")[i % 2]) for i in range(20)]
    result = toys.result().model_copy(update={"rows": (toys.result().rows[0], *rows)})
    assert sorted(figures(result)) == NAMES
