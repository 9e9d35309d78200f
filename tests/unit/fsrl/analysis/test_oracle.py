"""Oracle adapters: they steer the chosen features, with a trained adapter's weights, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fsrl_toys import D_SAE, bits, toy_adapter, toy_x

from fsrl.adapter import L0_FLOOR, Adapter
from fsrl.analysis.oracle import Sizes, become, restore, targets, trained_sizes
from harness.core.errors import DataError
from harness.findings.features import Feature

STEERED = [1, 4, 7, 9, 20, 33]
ALIGNMENT, STYLE = Feature("", ("alignment",)), Feature("", ("style",))
BOTH, NEITHER = Feature("", ("alignment", "style")), Feature("", ())
FEATURES = {**dict.fromkeys((3, 5), STYLE), 8: ALIGNMENT, 12: BOTH, **dict.fromkeys(range(20, 30), NEITHER)}


def draws(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def scene_of(features: dict[int, Feature]) -> Any:
    return SimpleNamespace(features=features)


def pairs_of(adapter: Adapter, features: list[int]) -> list[tuple[tuple[float, ...], float]]:
    """Weights and bias of some features, to be compared as numbers."""
    return [(tuple(adapter.weight[i].tolist()), adapter.bias[i].item()) for i in features]


def test_an_oracle_steers_the_chosen_features_and_no_other() -> None:
    adapter = toy_adapter()
    become(adapter, trained_sizes(adapter, STEERED), [0, 2, 30], draws())
    with torch.no_grad():
        v_NxF = adapter(toy_x(4000, adapter.weight.shape[1]))
    active = (v_NxF.abs() > L0_FLOOR).any(dim=0).nonzero()[:, 0].tolist()
    assert active == [0, 2, 30]
    others = [i for i in range(D_SAE) if i not in (0, 2, 30)]
    assert torch.equal(v_NxF[:, others], torch.zeros(4000, len(others)))
    assert (adapter.bias[others] < 0).all()


def test_each_feature_gets_weights_and_bias_of_one_trained_feature() -> None:
    """Without replacement as far as there are enough: six trained ones, six features, each once."""
    adapter = toy_adapter()
    trained = pairs_of(adapter, STEERED)
    become(adapter, trained_sizes(adapter, STEERED), [0, 2, 3, 5, 6, 8], draws())
    assert sorted(pairs_of(adapter, [0, 2, 3, 5, 6, 8])) == sorted(trained)


def test_more_features_than_trained_ones_take_them_in_turn() -> None:
    """Fifteen features of six trained ones: three of these serve three times and three twice."""
    adapter = toy_adapter()
    trained = pairs_of(adapter, STEERED)
    become(adapter, trained_sizes(adapter, STEERED), list(range(15)), draws())
    given = pairs_of(adapter, list(range(15)))
    assert sorted(given.count(one) for one in trained) == [2, 2, 2, 3, 3, 3]
    assert set(given) == set(trained)


def test_an_oracle_after_an_oracle_takes_the_trained_weights() -> None:
    """What the adapter was turned into before leaves no trace."""
    adapter, fresh = toy_adapter(), toy_adapter()
    sizes = trained_sizes(adapter, STEERED)
    become(adapter, sizes, [10, 11, 12], draws(5))
    become(adapter, sizes, [0, 2], draws(1))
    become(fresh, trained_sizes(fresh, STEERED), [0, 2], draws(1))
    assert torch.equal(adapter.weight, fresh.weight)
    assert torch.equal(adapter.bias, fresh.bias)


def test_the_trained_weights_come_back_bit_for_bit() -> None:
    adapter = toy_adapter()
    before = adapter.weight.detach().clone(), adapter.bias.detach().clone()
    sizes = trained_sizes(adapter, STEERED)
    become(adapter, sizes, [0, 2, 30], draws())
    restore(adapter, sizes)
    assert torch.equal(bits(adapter.weight), bits(before[0]))
    assert torch.equal(bits(adapter.bias), bits(before[1]))
    assert adapter.weight.requires_grad


@pytest.mark.parametrize(
    ("activation", "steered"), [("jump_relu", STEERED), ("soft_threshold", STEERED), ("relu", [])]
)
def test_only_a_relu_adapter_that_steers_gives_sizes(activation: str, steered: list[int]) -> None:
    with pytest.raises(DataError, match="ReLU adapter") as caught:
        trained_sizes(toy_adapter(activation=activation), steered)
    assert activation in str(caught.value.value)


def test_the_kinds_by_hand() -> None:
    """A feature of two categories belongs to neither alone, and is none of no category."""
    found = targets(scene_of(FEATURES), D_SAE, draws())
    assert list(found) == ["style", "truth", "both", "neither", "random"]
    assert (found["style"], found["truth"], found["both"]) == ([3, 5], [8], [3, 5, 8])
    assert len(set(found["neither"])) == len(set(found["random"])) == 3
    assert not set(found["neither"]) & {3, 5, 8, 12}
    assert found["neither"] == sorted(found["neither"])
    assert set(found["random"]) <= set(range(D_SAE))


def test_the_drawn_kinds_reach_every_feature_that_they_may() -> None:
    drawn = [targets(scene_of(FEATURES), D_SAE, draws(seed)) for seed in range(200)]
    assert {i for one in drawn for i in one["neither"]} == set(range(D_SAE)) - {3, 5, 8, 12}
    assert {i for one in drawn for i in one["random"]} == set(range(D_SAE))
    assert targets(scene_of(FEATURES), D_SAE, draws(7)) == drawn[7]


def test_fewer_features_of_no_category_than_wanted_are_all_taken() -> None:
    features = {**dict.fromkeys(range(4), STYLE), **dict.fromkeys(range(4, 8), ALIGNMENT)}
    found = targets(scene_of(features), 10, draws())
    assert found["neither"] == [8, 9]
    assert len(found["random"]) == 8


@pytest.mark.parametrize(
    ("features", "said"), [({3: STYLE, 12: BOTH}, "alignment"), ({}, "alignment, style")]
)
def test_a_category_without_a_feature_is_refused(features: dict[int, Feature], said: str) -> None:
    with pytest.raises(DataError, match="belongs to the category alone") as caught:
        targets(scene_of(features), D_SAE, draws())
    assert caught.value.value == said


def test_sizes_are_copies() -> None:
    adapter = toy_adapter()
    sizes: Sizes = trained_sizes(adapter, STEERED)
    with torch.no_grad():
        adapter.weight.zero_()
    assert sizes.weight.abs().sum() > 0
