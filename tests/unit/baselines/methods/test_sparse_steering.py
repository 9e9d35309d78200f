"""SAS: planted features are found, common ones removed, and an empty vector names the threshold."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from baselines.methods.mean_difference import MeanDifference
from baselines.methods.sparse_steering import Side, sparse_vector
from harness.core.errors import DataError, FitError, ProfileError

PLUS, MINUS, COMMON = [10, 11, 12], [20, 21, 22], [30, 31, 32, 33]


def codes(own: list[int], scale: float, seed: int) -> Tensor:
    """200 rows: 5 % noise everywhere, own features in 90 %, four common ones in 95 % of the rows."""
    draw = torch.Generator().manual_seed(seed)

    def some(share: float, features: int, low: float) -> Tensor:
        active = torch.rand(200, features, generator=draw) < share
        return torch.where(active, low + torch.rand(200, features, generator=draw), 0.0)

    code = some(0.05, 64, 0.5)
    code[:, own] = some(0.9, len(own), 1.0)
    code[:, COMMON] = scale * some(0.95, 4, 1.0)
    return code


def side(rows: Tensor) -> Side:
    found = Side(64)
    for row in rows:
        found.add(row)
    return found


def support(*arguments: object, **options: object) -> list[int]:
    return sparse_vector(*arguments, **options).values_F.nonzero().flatten().tolist()  # type: ignore[arg-type]


def test_planted_features_are_found_exactly() -> None:
    plus, minus = side(codes(PLUS, 1.5, 0)), side(codes(MINUS, 1.0, 1))
    assert support(plus, minus, 0.5) == [*PLUS, *MINUS]
    assert support(plus, minus, 0.5, remove_common=False) == [*PLUS, *MINUS, *COMMON]
    found = sparse_vector(plus, minus, 0.5)
    assert (found.chosen, found.rejected, found.common, found.features) == (7, 7, 4, 6)
    assert bool((found.values_F[PLUS] > 0).all())
    assert bool((found.values_F[MINUS] < 0).all())


def test_both_ends_of_tau_are_errors_that_say_so() -> None:
    plus, minus = side(codes(PLUS, 1.5, 0)), side(codes(MINUS, 1.0, 1))
    with pytest.raises(FitError, match=r"tau is above the largest share of rows, 0\.9") as high:
        sparse_vector(plus, minus, 0.999)
    assert "0 features before" in str(high.value)
    with pytest.raises(FitError, match="removed as common") as low:
        sparse_vector(plus, minus, 0.005)
    assert "raise tau" in str(low.value)
    assert "64 features before" in str(low.value)


def test_a_difference_of_strength_alone_is_not_seen() -> None:
    """The form's limit: the same features fire on both sides, more strongly on one. DiffMean sees that."""
    rows = codes([], 1.5, 2), codes([], 1.0, 3)
    with pytest.raises(FitError, match="removed as common"):
        sparse_vector(*map(side, rows), 0.5)
    found = MeanDifference(64)
    found.add(*rows, shared=0)
    expected = 2 * 0.95 * 0.5 * 1.5  # of four features: sqrt(4) * 0.95 * (1.5 - 1) * mean of [1, 2]
    assert float(found.vector("token_mean").norm()) == pytest.approx(expected, rel=0.1)


def test_bad_input_is_refused() -> None:
    one = side(codes(PLUS, 1.0, 0)[:1])
    two = side(codes(PLUS, 1.0, 0)[:2])
    with pytest.raises(DataError, match="two pairs or more"):
        sparse_vector(one, two, 0.5)
    for tau in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(ProfileError, match="tau"):
            sparse_vector(two, two, tau)
    with pytest.raises(DataError, match="finite"):
        Side(2).add(torch.tensor([float("inf"), 0.0]))
