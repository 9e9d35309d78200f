"""Table 2, rankings, differences and usage curves from numbers that can be worked out on paper."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fsrl.analysis import composition, difference, distribution, ranking
from harness.core.errors import DataError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.findings import CONTEXTS, Padded
from harness.findings.features import Feature
from harness.profiles.profile import Profile
from harness.study import StudyScene

COUNT = {"sae": [4, 2, 0, 1], "steering": [5, 0, 10, 5]}
TOTAL = {"sae": [8.0, 1.0, 0.0, 3.0], "steering": [1.0, 0.0, 4.0, 20.0]}
# Two examples of 3 and 1 positions: mean share of the SAE (0.6 + 0.2) / 4 = 0.2, of the steering 1.2 / 4.
SHARE = {"sae": [0.6, 0.2], "steering": [0.9, 0.3]}
DEFINED = [3, 1]


@pytest.fixture
def scene(profile: Profile, tmp_path: Path) -> StudyScene:
    arrays, contexts = {}, {}
    for context in CONTEXTS:
        for source in ("sae", "steering"):
            arrays[f"{context}.{source}.count"] = np.array(COUNT[source])
            arrays[f"{context}.{source}.total"] = np.array(TOTAL[source])
            arrays[f"{context}.{source}.defined"] = np.array(DEFINED)
            for category in ("alignment", "style"):
                arrays[f"{context}.{source}.share.{category}"] = np.array(SHARE[source])
        padded = {
            "sae": {
                "positions": 100,
                "total": {"alignment": 20.0, "style": 20.0},
                "squares": {"alignment": 8.0, "style": 8.0},
            },
            "steering": {
                "positions": 100,
                "total": {"alignment": 30.0, "style": 30.0},
                "squares": {"alignment": 15.0, "style": 15.0},
            },
        }
        contexts[context] = {"positions": 10, "padding": 2, "mean_l0": {}, "empty": {}, "padded": padded}
    save_file(arrays, tmp_path / "census.safetensors")
    census: dict[str, Any] = {
        "arm": "fsrl", "d_sae": 4, "examples": 2, "floor": 1e-6, "contexts": contexts,
        "categories": {"alignment": 1, "style": 2}, "described": 2, "evaluated_l0": None,
    }  # fmt: skip
    return StudyScene(
        profile=profile,
        paths=RunPaths(root=tmp_path),
        arm="fsrl",
        prepared=PrepareResult(model_dir="", sae_dir="", data_root="", files={}, facts={}),
        features={
            0: Feature("zero", ("alignment",)),
            2: Feature("two", ("style",)),
            3: Feature("", ("style",)),
        },
        reads={"census": census},
        folder=tmp_path,
    )


def test_composition_by_examples(scene: StudyScene) -> None:
    rows = composition.run(composition.Config(resamples=4000), scene).result.rows
    assert len(rows) == 12
    row = rows[0]
    assert (row.category, row.context, row.way) == ("alignment", "prompt", "examples")
    assert row.sae.value == pytest.approx(0.2)
    assert row.steering.value == pytest.approx(0.3)
    assert row.change.value == pytest.approx(0.5)
    # Both examples have the same shares, so no draw of examples changes anything.
    assert row.sae.stderr == pytest.approx(0, abs=1e-12)
    assert (row.change.low, row.change.high) == (pytest.approx(0.5), pytest.approx(0.5))


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


def test_differences(scene: StudyScene) -> None:
    found = difference.run(difference.Config(first=2, bins=4), scene).result
    # f - v over 10 positions each: 0.7, 0.1, -0.4, -1.7
    assert [row.feature for row in found.largest] == [3, 0]
    assert found.largest[0].difference == pytest.approx(-1.7)
    assert found.mean == pytest.approx(-1.3 / 4)
    assert (found.negative, found.positive, sum(found.counts)) == (2, 2, 4)
    assert found.ordered == pytest.approx((-1.7, -0.4, 0.1, 0.7))


def test_an_exponential_decay_has_a_perfect_fit() -> None:
    """usage 10^(-i): four features at percentiles 25 ... 100, so log10 falls by 1 every 25 percent."""
    curve = distribution.curve(np.array([0.01, 1.0, 0.001, 0.1]), "prompt", "all", 200)
    assert curve.percentile == (25.0, 50.0, 75.0, 100.0)
    assert curve.usage == (1.0, 0.1, 0.01, 0.001)
    assert (curve.slope, curve.r2) == (pytest.approx(-0.04), pytest.approx(1.0))
    assert curve.intercept == pytest.approx(1.0)


def test_unused_features_are_counted_and_not_fitted() -> None:
    curve = distribution.curve(np.array([0.5, 0.0, 0.25, 0.0]), "prompt", "style", 200)
    assert (curve.features, curve.used, curve.slope) == (4, 2, None)
    assert curve.usage == (0.5, 0.25)


def test_thinning_keeps_both_ends() -> None:
    places = difference.thinned(1000, 11)
    assert (len(places), places[0], places[-1]) == (11, 0, 999)
    assert list(difference.thinned(3, 200)) == [0, 1, 2]
