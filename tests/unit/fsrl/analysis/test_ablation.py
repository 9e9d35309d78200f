"""The ablation: masks and their spread."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fsrl.analysis.ablation import choose_masks, fewer, spread
from harness.core.errors import DataError
from harness.findings.features import Feature
from harness.findings.masked import Ablated

ALIGNMENT, STYLE, NEITHER = Feature("", ("alignment",)), Feature("", ("style",)), Feature("", ())
FEATURES = {0: ALIGNMENT, 1: ALIGNMENT, 2: STYLE, **dict.fromkeys(range(3, 9), NEITHER)}


def scene_of(features: dict[int, Feature]) -> Any:
    return SimpleNamespace(features=features, profile=SimpleNamespace(training=SimpleNamespace(seed=5)))


def test_masks_are_of_steered_features_and_random_ones_of_neither() -> None:
    masks = choose_masks(scene_of(FEATURES), {0, 2, 3, 4, 5, 9}, 3)
    assert [(mask.name, mask.features) for mask in masks[:3]] == [
        ("nothing", []),
        ("alignment", [0]),
        ("style", [2]),
    ]
    drawn = masks[3:]
    assert len(drawn) == 6
    assert all(len(mask.features) == 1 and set(mask.features) <= {3, 4, 5, 9} for mask in drawn)
    assert masks == choose_masks(scene_of(FEATURES), {0, 2, 3, 4, 5, 9}, 3)


def test_a_category_that_is_never_steered_is_refused() -> None:
    with pytest.raises(DataError, match="style"):
        choose_masks(scene_of(FEATURES), {0, 3, 4}, 2)


def test_spread_by_hand() -> None:
    rows = [
        Ablated(
            masked="", features=1, draw=i, loss=1, stderr=0, difference=value, low=0, high=0, mean_l0=1,
            scores={},
        )
        for i, value in enumerate((1.0, 2.0, 6.0))
    ]  # fmt: skip
    one = spread(rows)
    assert (one.value, one.low, one.high) == (3.0, 1.0, 6.0)
    assert one.stderr == pytest.approx((7 / 3) ** 0.5)


@pytest.mark.parametrize(("one", "other", "wanted"), [(0, 0, 0), (5, 0, 5), (0, 3, 3), (5, 3, 3), (2, 3, 2)])
def test_the_smaller_limit_counts(one: int, other: int, wanted: int) -> None:
    assert fewer(one, other) == wanted
