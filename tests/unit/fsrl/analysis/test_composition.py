"""Table 2 from numbers that can be worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fsrl.analysis import composition
from harness.core.errors import DataError
from harness.findings.activity import Padded
from harness.study import StudyScene


def test_composition_by_examples(scene: StudyScene) -> None:
    rows = composition.run(composition.Config(resamples=4000), scene).result.rows
    assert len(rows) == 24
    row = rows[0]
    assert (row.category, row.context, row.way) == ("alignment", "prompt", "examples")
    assert row.sae.value == pytest.approx(0.2)
    assert row.steering.value == pytest.approx(0.3)
    assert row.change.value == pytest.approx(0.5)
    # Both examples have the same shares, so no draw of examples changes anything.
    assert row.sae.stderr == pytest.approx(0, abs=1e-12)
    assert (row.change.low, row.change.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_both_denominators_are_given(scene: StudyScene) -> None:
    """Half of the active features have a label: every share doubles, and the relative change stays."""
    result = composition.run(composition.Config(resamples=100), scene).result
    assert (result.classified, result.d_sae) == (3, 4)
    for way in ("examples", "positions"):
        active, classified = (
            next(row for row in result.rows if (row.way, row.denominator) == (way, kind))
            for kind in ("active", "classified")
        )
        assert classified.sae.value == pytest.approx(2 * active.sae.value) == pytest.approx(0.4)
        assert classified.steering.value == pytest.approx(2 * active.steering.value)
        assert classified.change.value == pytest.approx(active.change.value)
    assert [row.denominator for row in result.judged()] == ["active"] * 6


def test_the_bootstrap_draws_whole_examples() -> None:
    """Two examples with shares 0 and 1 at each of n positions: a draw is one of the two twice, or both.

    The standard error is that of the mean of two coin tosses, sqrt(1/8), however many positions there are.
    """
    for positions in (1, 1000):
        sums = [np.array([0.0, positions]), np.array([positions, positions])] * 2
        sums[2] = sums[2] + positions  # the steering's shares are 1 and 2: never 0
        sums[0] = sums[0] + positions
        sae, _, change = composition.bootstrapped(sums, 20_000, 3, "test")
        assert sae.value == pytest.approx(1.5)
        assert sae.stderr == pytest.approx(math.sqrt(1 / 8), rel=0.02)
        assert change.value == change.stderr == 0


def test_the_papers_way_by_hand() -> None:
    """n = 100, mean 0.2, variance (8/100 - 0.04) 100/99; the error of a ratio of independent means."""
    sae = Padded(positions=100, total={"style": 20.0}, squares={"style": 8.0})
    steering = Padded(positions=100, total={"style": 30.0}, squares={"style": 15.0})
    row = composition.by_positions(sae, steering, "style", "prompt")
    error, steered_error = math.sqrt(0.04 / 99), math.sqrt(0.06 / 99)
    assert row.sae.stderr == pytest.approx(error)
    assert row.change.value == pytest.approx(0.5)
    assert row.change.stderr == pytest.approx(1.5 * math.hypot(error / 0.2, steered_error / 0.3))


def test_no_share_of_a_category_that_is_empty(scene: StudyScene) -> None:
    census = {**scene.reads["census"], "categories": {"alignment": 0, "style": 2}}
    with pytest.raises(DataError, match=r"(?s)nothing to count.*alignment"):
        composition.run(composition.Config(), scene._replace(reads={"census": census}))


def test_a_share_without_active_features_is_refused() -> None:
    sums = [np.array([0.0, 0.0]), np.array([2, 1]), np.array([1.0, 1.0]), np.array([2, 1])]
    with pytest.raises(DataError, match="not defined"):
        composition.bootstrapped(sums, 10, 0, "style, prompt")
