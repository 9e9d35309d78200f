"""The controls: what each analysis reads of a count, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fsrl.analysis import evaluation_loss
from fsrl.analysis.controls import BLIND, FIRST, KEPT, MARGINS, Config, _among, _composition, _harms
from fsrl.analysis.counted import counted
from harness.core.results import Score
from harness.findings.features import Feature
from harness.findings.reading import label
from harness.planted.rule import RULES
from harness.report.page.controlled import ANALYSES
from harness.study import StudyScene

ALIGNMENT, STYLE = Feature("", ("alignment",)), Feature("", ("style",))
BOTH = Feature("", ("alignment", "style"))


def scene_of(features: dict[int, Feature]) -> Any:
    found = SimpleNamespace(features=features)
    found.feature = lambda index: features.get(index, Feature("", ()))
    found.profile = SimpleNamespace(training=SimpleNamespace(seed=5))
    return found


@pytest.mark.parametrize(
    ("size", "first", "wanted"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0], 5, (2 - 1) / 3),
        ([5.0, 4.0, 3.0, 2.0, 1.0], 2, 1.0),
        ([1.0, 1.0, 1.0, 9.0, 8.0], 2, -1.0),
        ([0.0, 0.0, 0.0, 9.0, 0.0], 5, -1.0),
        ([0.0, 0.0, 0.0, 0.0, 7.0], 5, 0.0),
        ([0.0] * 5, 5, 0.0),
        ([-3.0, 2.0, 0.0, 2.0, 0.0], 5, 0.0),
    ],
    ids=["all", "first two", "largest first", "only used ones", "of no category", "none", "negative is none"],
)
def test_the_first_features_by_hand(size: list[float], first: int, wanted: float) -> None:
    """Features 0, 1 are style, 3 is alignment: (style - alignment) / (style + alignment)."""
    scene = scene_of({0: STYLE, 1: STYLE, 3: ALIGNMENT})
    assert _among(scene, np.array(size), first) == pytest.approx(wanted)


def test_equal_sizes_are_taken_in_the_order_of_their_ids() -> None:
    scene = scene_of({0: STYLE, 1: ALIGNMENT, 2: ALIGNMENT})
    assert _among(scene, np.array([2.0, 2.0, 2.0]), 1) == 1.0
    assert _among(scene, np.array([1.0, 2.0, 2.0]), 1) == -1.0


def test_a_feature_of_two_categories_counts_for_both() -> None:
    assert _among(scene_of({0: BOTH}), np.array([1.0]), 1) == 0.0


@pytest.mark.parametrize(
    ("contrast", "reading"), [(1 / 3, "mixed"), (0.34, "style-heavy"), (-0.34, "truth-heavy")]
)
def test_twice_as_many_are_still_mixed(contrast: float, reading: str) -> None:
    """Page 0115: mixed within 1/3, where one category has at most twice the other's features."""
    assert {label(contrast, MARGINS[name]) for name in ("ablation", "usage", "value", "top-k")} == {reading}


def test_the_margins_are_those_that_trained_adapters_are_read_with() -> None:
    assert all(MARGINS[name] == rule.margin for name, rule in RULES.items())
    assert set(ANALYSES) == {*MARGINS, *BLIND}


def test_the_page_says_ten_rows_and_1_6_percent() -> None:
    assert (FIRST, KEPT) == (10, 0.016)
    assert max(1, int(1024 * KEPT)) == 16


def test_the_composition_of_a_census_by_hand(scene: StudyScene) -> None:
    """Both categories have the same shares (conftest): their changes are equal and the contrast is 0."""
    assert _composition(Config(resamples=50), scene, counted(scene)) == pytest.approx(0.0)


def test_the_harm_of_each_category_and_an_adapter_left_unmasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masking two style features adds 0.2 to every pair's loss, the alignment feature 0.1."""
    masked: list[list[int]] = []
    subject: Any = SimpleNamespace(adapter=SimpleNamespace(mask=masked.append))
    added = {(): 0.0, (0, 1): 0.2, (3,): 0.1}

    def losses(_subject: Any, _scene: Any) -> evaluation_loss.Losses:
        here = added[tuple(masked[-1])] if masked else 0.0
        return evaluation_loss.Losses(Score(value=0, stderr=0, n=3), [1 + here, 2 + here, 4 + here], 0.0)

    monkeypatch.setattr(evaluation_loss, "losses", losses)
    found = _harms(scene_of({0: STYLE, 1: STYLE, 3: ALIGNMENT}), subject)
    assert found["style"].value == pytest.approx(0.2)
    assert found["alignment"].value == pytest.approx(0.1)
    assert masked == [[3], [], [0, 1], []]
