"""Direct edits of features: by hand."""

from __future__ import annotations

import torch

from baselines.methods.feature_edit import feature_change, most_different

F = torch.tensor([[0.0, 2.0, 3.0]])
SIGN, LARGEST = torch.tensor([1.0, 1.0, -1.0]), torch.tensor([4.0, 4.0, 5.0])


def change(strength: float, edit: str) -> list[float]:
    return feature_change(F, strength, edit, SIGN, LARGEST)[0].tolist()  # type: ignore[arg-type]


def test_scaling_multiplies_and_stops_at_nothing() -> None:
    assert change(0.5, "scale") == [0.0, 1.0, -1.5]
    assert change(2.0, "scale") == [0.0, 4.0, -3.0]
    assert change(-1.0, "scale") == [0.0, -2.0, 3.0]


def test_clamping_sets_the_value_whatever_it_was() -> None:
    assert change(0.5, "clamp") == [2.0, 0.0, -5.5]
    assert change(-1.0, "clamp") == [-4.0, -6.0, 2.0]


def test_strength_0_changes_nothing() -> None:
    assert change(0.0, "scale") == change(0.0, "clamp") == [0.0, 0.0, 0.0]


def test_the_features_that_differ_most_in_units_of_their_spread() -> None:
    chosen, rejected = torch.tensor([1.0, 5.0, 0.0, 9.0]), torch.tensor([0.0, 4.0, 2.0, 9.0])
    spread = torch.tensor([1.0, 10.0, 1.0, 0.0])
    ids, sign = most_different(chosen, rejected, spread, 2)
    assert ids.tolist() == [0, 2]
    assert sign.tolist() == [1.0, -1.0]
    assert most_different(chosen, rejected, spread, 9)[0].tolist() == [0, 1, 2]
