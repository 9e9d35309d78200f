"""v W_dec over active features only: the same as over all of them, and taken where they are few."""

from __future__ import annotations

import pytest
import torch
from fsrl_toys import toy_adapter, toy_sae
from torch import Tensor

from fsrl import active
from fsrl.adapter import L0_FLOOR, Adapter
from fsrl.lean import LeanRelu
from fsrl.sae import Sae
from fsrl.steer import Steering

D, FEATURES, POSITIONS = 16, 400, 30
TOLERANCE = {torch.float32: {"atol": 2e-6, "rtol": 1e-5}, torch.bfloat16: {"atol": 0.02, "rtol": 0.02}}


def arguments(share: float, dtype: torch.dtype = torch.float32, masked: int = 0) -> tuple[Tensor, ...]:
    """(a, weight, bias, masked, W_dec) of which about `share` of the entries of v are above 0."""
    torch.manual_seed(5)
    a, weight = torch.randn(POSITIONS, D), torch.randn(FEATURES, D) / D**0.5
    bias = torch.full((FEATURES,), -float((a @ weight.T).quantile(1 - share)))
    hidden = torch.arange(FEATURES) < masked
    W_dec = torch.nn.functional.normalize(torch.randn(FEATURES, D), dim=-1)
    return a.to(dtype), weight.to(dtype), bias.to(dtype), hidden, W_dec.to(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", [FEATURES, 150])
@pytest.mark.parametrize("masked", [0, 200])
def test_few_active_features_give_what_all_give(dtype: torch.dtype, size: int, masked: int) -> None:
    given = arguments(0.03, dtype, masked)
    delta, l1, l0 = active.steer(*given, size)
    wanted, wanted_l1, wanted_l0 = LeanRelu.apply(*given, size)  # type: ignore[no-untyped-call]
    assert 0 < l0.sum() < active.FEW["cpu"] * POSITIONS * FEATURES
    torch.testing.assert_close(delta, wanted, **TOLERANCE[dtype])
    torch.testing.assert_close(l1, wanted_l1, rtol=1e-6, atol=1e-6)
    assert torch.equal(l0, wanted_l0)


@pytest.mark.parametrize("size", [FEATURES, 150])
def test_many_active_features_give_the_same_bits(size: int) -> None:
    given = arguments(0.5)
    for one, wanted in zip(active.steer(*given, size), LeanRelu.apply(*given, size), strict=True):  # type: ignore[no-untyped-call]
        assert torch.equal(one, wanted)


def test_few_means_few_entries_or_few_positions() -> None:
    """5 % of 30 x 400 entries are 600; a single position of 400 features is read up to one half, 200."""
    many, one = torch.zeros(POSITIONS, FEATURES), torch.zeros(1, FEATURES)
    assert [active.are_few(count, many) for count in (600, 601)] == [True, False]
    assert [active.are_few(count, one) for count in (200, 201)] == [True, False]


def test_entries_too_small_to_count_steer_all_the_same() -> None:
    """v = (1e-7, 2, 0): two rows of W_dec are read, one feature counts."""
    weight, bias = torch.zeros(3, 1), torch.tensor([1e-7, 2.0, -1.0])
    W_dec = torch.tensor([[1e7], [10.0], [1000.0]])
    v = torch.relu(bias).unsqueeze(0)
    delta, l1, counted = active._rows(v, W_dec)
    assert delta.tolist() == [[21.0]]
    assert l1.tolist() == [float(v.sum())]
    assert counted.tolist() == [1]
    assert float(v[0, 0]) < L0_FLOOR
    _, _, l0 = active.steer(torch.zeros(1, 1), weight, bias, torch.zeros(3, dtype=torch.bool), W_dec, 3)
    assert l0.tolist() == [1.0]


def test_the_hook_takes_it_without_gradients_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    steer = active.steer
    monkeypatch.setattr(active, "steer", lambda *given: calls.append(1) or steer(*given))
    adapter, sae = toy_adapter(), toy_sae()
    assert isinstance(adapter, Adapter)
    assert isinstance(sae, Sae)
    steering, x = Steering(adapter, sae), torch.randn(2, 5, adapter.weight.shape[1])
    with_gradients = steering(x)
    assert calls == []
    with torch.no_grad():
        without = steering(x)
    assert calls == [1]
    torch.testing.assert_close(without, with_gradients.detach(), atol=1e-5, rtol=1e-5)


def test_a_value_that_is_no_number_is_not_hidden() -> None:
    given = arguments(0.03)
    given[0][3, 0] = float("nan")
    delta, _, _ = active.steer(*given, FEATURES)
    assert torch.isnan(delta[3]).all()
    assert not torch.isnan(delta[:3]).any()
