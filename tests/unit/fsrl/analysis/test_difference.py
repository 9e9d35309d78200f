"""Differences of activation and steering, from numbers that can be worked out on paper."""

from __future__ import annotations

import pytest

from fsrl.analysis import difference
from harness.study import StudyScene


def test_differences(scene: StudyScene) -> None:
    found = difference.run(difference.Config(first=2, bins=4), scene).result
    # f - v over 10 positions each: 0.7, 0.1, -0.4, -1.7
    assert [row.feature for row in found.largest] == [3, 0]
    assert found.largest[0].difference == pytest.approx(-1.7)
    assert found.mean == pytest.approx(-1.3 / 4)
    assert (found.negative, found.positive, sum(found.counts)) == (2, 2, 4)
    assert found.ordered == pytest.approx((-1.7, -0.4, 0.1, 0.7))


def test_thinning_keeps_both_ends() -> None:
    places = difference.thinned(1000, 11)
    assert (len(places), places[0], places[-1]) == (11, 0, 999)
    assert list(difference.thinned(3, 200)) == [0, 1, 2]
