"""Rankings by usage and by value, from numbers that can be worked out on paper."""

from __future__ import annotations

from fsrl.analysis import ranking
from harness.study import StudyScene


def test_ranking_by_usage_and_by_value(scene: StudyScene) -> None:
    """20 positions: usage 10/20 and 20/20 of doubled counts; equal features keep the order of their ids."""
    usage = ranking.run(ranking.Config(by="usage", first=3), scene).result
    assert [row.feature for row in usage.rows] == [2, 0, 3]
    assert [row.usage for row in usage.rows] == [1.0, 0.5, 0.5]
    assert (usage.positions, usage.never) == (20, 1)
    value = ranking.run(ranking.Config(by="value", first=2), scene).result
    assert [(row.feature, row.mean_value, row.mean_active) for row in value.rows] == [
        (3, 2.0, 4.0),
        (2, 0.4, 0.4),
    ]
    assert value.rows[1].description == "two"
