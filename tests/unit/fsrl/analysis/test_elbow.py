"""The elbow of Figure 4, worked by hand."""

from __future__ import annotations

import pytest

from fsrl.analysis.elbow import elbow
from harness.paper.printed import read_printed


def test_the_elbow_worked_by_hand() -> None:
    """Normalised to [0, 1], the points (L0, loss) are (0, 1), (.25, .2), (.5, .1), (.75, .05), (1, 0): the
    curve lies furthest below the diagonal at .25, by 1 - .2 - .25 = .55. Kneedle's threshold is that less S
    times the mean step, .55 - .25 = .30, and the next distances, .4, then .2, fall below it."""
    found = elbow([5, 4, 3, 2, 1], [0, 25, 50, 75, 100], [12.0, 4.0, 3.0, 2.5, 2.0], 1.0)
    assert found.alpha == 4
    assert (found.curve, found.direction, found.sensitivity) == ("convex", "decreasing", 1.0)
    assert found.rule.startswith("kneed ")
    assert found.reason == ""


def test_the_order_of_the_points_does_not_matter() -> None:
    found = elbow([3, 5, 1, 4, 2], [50, 0, 100, 25, 75], [3.0, 12.0, 2.0, 4.0, 2.5], 1.0)
    assert found.alpha == 4


def test_the_rule_finds_the_papers_alpha_in_the_authors_sweep() -> None:
    """alpha 0.02: the value that their code has, by a rule that does not know it."""
    rows = read_printed().sweep.alpha
    l0s = [float(row.mean_l0 or 0) for row in rows]
    found = elbow([row.value for row in rows], l0s, [row.penalised_loss for row in rows], 1.0)
    assert found.alpha == 0.02


@pytest.mark.parametrize(
    ("l0s", "losses", "reason"),
    [
        ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], "kneed finds no elbow"),
        ([1.0, 2.0], [4.0, 3.0], "fewer than three points"),
        ([1.0, 1.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], "the same mean L0"),
        ([1.0, 2.0, 3.0, 4.0], [4.0, 4.0, 4.0, 4.0], "all with the same loss"),
    ],
)
def test_where_there_is_no_elbow_none_is_named(l0s: list[float], losses: list[float], reason: str) -> None:
    found = elbow([float(i) for i in range(len(l0s))], l0s, losses, 1.0)
    assert found.alpha is None
    assert reason in found.reason
