"""Each method reaches in each planted world what its form allows, and no more.

Expected: a constant vector is at exactly 1/2 where success is sign(gate) x'_1, for any vector, since the gate
is symmetric; two standard errors of a share of 4,000 rows are 0.016. The other numbers are those of an
independent implementation with other initial draws, rounded outwards.
"""

from __future__ import annotations

from functools import cache

import pytest
import worlds
from worlds import World, world

HALF = pytest.approx(0.5, abs=0.03)


@cache
def layers(name: str, hidden: int) -> list[worlds.Layer]:
    return worlds.classifier(world(name), hidden)


def mlp(name: str, steps: int) -> float:
    return world(name).rate(worlds.k_steering(layers(name, 64), alpha=3.0 / steps, steps=steps))


def constants(given: World, name: str) -> dict[str, float]:
    """What every method whose edit is one vector reaches."""
    return {
        "mean difference": given.rate(worlds.mean_difference(given)),
        "static vector": given.rate(worlds.static_vector(given)),
        "K-Steering, linear": given.rate(worlds.k_steering(layers(name, 0), alpha=1.0, steps=1)),
    }


def test_one_vector_wins_the_constant_world() -> None:
    given = world("constant")
    assert given.rate(lambda x: 0 * x) == HALF
    found = constants(given, "constant")
    assert min(found.values()) >= 0.97, found
    assert found["mean difference"] == pytest.approx(0.998, abs=0.005)
    assert accuracy("constant", 0) == pytest.approx(0.977, abs=0.016)
    assert mlp("constant", 1) >= 0.95
    assert given.rate(worlds.fsrl_adapter(given)) >= 0.98
    assert given.rate(worlds.affine(given, 1)) >= 0.98


def accuracy(name: str, hidden: int) -> float:
    return worlds.accuracy(world(name), layers(name, hidden))


@pytest.mark.parametrize("name", ["gated", "crossed"])
def test_no_constant_vector_passes_a_gate(name: str) -> None:
    given = world(name)
    found = constants(given, name)
    assert all(value == HALF for value in found.values()), found
    assert accuracy(name, 0) == HALF
    assert given.rate(worlds.mean_difference(given)) <= 0.53


def test_a_gate_that_is_a_direction_is_within_reach_of_a_linear_edit() -> None:
    given = world("gated")
    assert given.rate(worlds.affine(given, 1)) == pytest.approx(0.941, abs=0.02)
    assert given.rate(worlds.fsrl_adapter(given)) >= 0.90
    assert mlp("gated", 1) >= 0.70
    assert mlp("gated", 3) >= 0.65
    assert accuracy("gated", 64) >= 0.93


def test_a_gate_that_is_a_product_is_not() -> None:
    given = world("crossed")
    for rank in (1, worlds.WIDTH):
        assert given.rate(worlds.affine(given, rank)) == HALF
    assert given.rate(worlds.fsrl_adapter(given)) >= 0.80
    assert min(mlp("crossed", 1), mlp("crossed", 3)) >= 0.65
    assert accuracy("crossed", 64) >= 0.88
