"""Steering: the identity it rests on, v = 0, its dtypes, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, LAYER, bits, steered, toy_adapter, toy_model, toy_sae, toy_tensors, toy_x
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fsrl.sae import Sae
from fsrl.steer import Steering
from harness.core.errors import ProfileError

ACTIVATIONS = ("relu", "jump_relu", "soft_threshold")


# --- the identity x' = x + v W_dec


def test_by_hand() -> None:
    """v = ReLU(2, -1) = (2, 0); x' = (2, -1) + 2 * (0, 3) = (2, 5)."""
    sae = Sae(
        {
            "W_enc": torch.eye(2),
            "b_enc": torch.zeros(2),
            "W_dec": torch.tensor([[0.0, 3.0], [7.0, 7.0]]),
            "b_dec": torch.tensor([10.0, 20.0]),
        },
        apply_b_dec_to_input=False,
    )
    adapter = toy_adapter(2, 2)
    with torch.no_grad():
        adapter.weight.copy_(torch.eye(2))
        adapter.bias.zero_()
    steering = Steering(adapter, sae)
    assert steering(torch.tensor([[[2.0, -1.0]]])).tolist() == [[[2.0, 5.0]]]
    readings = steering.readings
    assert readings is not None
    assert (readings.l1_BxT.tolist(), readings.l0_BxT.tolist()) == ([[2.0]], [[1.0]])


def test_l0_counts_the_features_above_one_millionth() -> None:
    adapter = toy_adapter(1, 4)
    with torch.no_grad():
        adapter.weight.zero_()
        adapter.bias.copy_(torch.tensor([0.9e-6, 1.1e-6, 0.25, -1.0]))
    steering = Steering(adapter, toy_sae(1, 4))
    steering(torch.zeros(1, 1, 1))
    assert steering.readings is not None
    assert steering.readings.l0_BxT.tolist() == [[2.0]]


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    positions=st.integers(1, 6),
    d_in=st.integers(1, 12),
    d_sae=st.integers(1, 30),
    chunk=st.integers(0, 31),
    activation=st.sampled_from(ACTIVATIONS),
    fraction=st.sampled_from([1.0, 0.3]),
    apply_b_dec=st.booleans(),
    fusion_relu=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 2**16),
)
def test_both_paths_are_equation_6(
    batch: int,
    positions: int,
    d_in: int,
    d_sae: int,
    chunk: int,
    activation: Any,
    fraction: float,
    apply_b_dec: bool,
    fusion_relu: bool,
    dtype: torch.dtype,
    seed: int,
) -> None:
    # ties of bfloat16 numbers let top-k choose at will
    assume(dtype != torch.bfloat16 or fraction == 1)
    adapter = toy_adapter(d_in, d_sae, seed=seed, activation=activation, top_fraction=fraction, dtype=dtype)
    sae = toy_sae(d_in, d_sae, seed=seed, apply_b_dec=apply_b_dec).to(dtype)
    x = toy_x(batch, positions, d_in, seed=seed).to(dtype)
    steering = Steering(adapter, sae, fusion_relu=fusion_relu, chunk_features=chunk)
    full = Steering(adapter, sae, fusion_relu=fusion_relu, chunk_features=chunk, path="full")
    close = {"atol": 0.1, "rtol": 0.1} if dtype == torch.bfloat16 else {"atol": 2e-5, "rtol": 1e-5}
    torch.testing.assert_close(steering(x), steering.plain(x), **close)
    torch.testing.assert_close(full(x), steering.plain(x), **close)
    assert steering(x).dtype == dtype
    if steering.path == "lean" and not fusion_relu:
        a = sae.encoder_input(x)
        torch.testing.assert_close(steering(x), x + adapter(a) @ sae.W_dec, **close)


@pytest.mark.parametrize("activation", ["jump_relu", "soft_threshold"])
def test_with_the_fusion_relu_the_lean_path_is_refused_where_it_is_not_exact(activation: Any) -> None:
    adapter, sae = toy_adapter(activation=activation), toy_sae()
    assert Steering(adapter, sae, fusion_relu=True).path == "full"
    assert Steering(adapter, sae, fusion_relu=False).path == "lean"
    with pytest.raises(ValueError, match="not exact"):
        Steering(adapter, sae, fusion_relu=True, path="lean")


def test_the_fusion_relu_changes_a_signed_vector() -> None:
    adapter, sae, x = toy_adapter(activation="soft_threshold"), toy_sae(), toy_x(2, 5, D_IN)
    with_relu, without = (Steering(adapter, sae, fusion_relu=flag)(x) for flag in (True, False))
    assert (with_relu - without).abs().max() > 0.1


@pytest.mark.parametrize(
    ("fusion_relu", "result", "gradient"), [(True, [2, -7], [0, 0]), (False, [-1.5, -15], [3, 14])]
)
def test_the_fusion_relu_by_hand(fusion_relu: bool, result: list[float], gradient: list[float]) -> None:
    """x = (2, -1), f = ReLU(x) = (2, 0), v = (-3.5, -0.5), so f + v is negative in both features.

    With the ReLU f' = 0 and x' = x - 2 (0, 3), and no bias has a gradient. Without it x' = x - 3.5 (0, 3)
    - 0.5 (7, 7), and the sum over x' has as gradients the row sums of W_dec.
    """
    tensors = {"W_enc": torch.eye(2), "b_enc": torch.zeros(2), "b_dec": torch.zeros(2)}
    tensors["W_dec"] = torch.tensor([[0.0, 3.0], [7.0, 7.0]])
    adapter = toy_adapter(2, 2, activation="soft_threshold")
    with torch.no_grad():
        adapter.weight.copy_(torch.diag(torch.tensor([-2.0, 1.0])))
        adapter.bias.zero_()
        adapter.soft_threshold.fill_(0.5)
    steering = Steering(adapter, Sae(tensors, apply_b_dec_to_input=False), fusion_relu=fusion_relu)
    found = steering(torch.tensor([[[2.0, -1.0]]]))
    found.sum().backward()
    assert found.tolist() == [[result]]
    assert adapter.bias.grad is not None
    assert adapter.bias.grad.tolist() == gradient


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_the_top_fraction_by_hand(chunk: int) -> None:
    """z = (2, -0.5, 3), v = (2, 0, 3); of two thirds the larger two stay, of one third only the 3."""
    tensors = {"W_dec": torch.tensor([[1.0, 0.0], [5.0, 5.0], [0.0, 1.0]]), "b_dec": torch.zeros(2)}
    for fraction, result in ((1.0, [4.0, 2.0]), (0.67, [4.0, 2.0]), (0.34, [2.0, 2.0])):
        adapter = toy_adapter(2, 3, top_fraction=fraction)
        with torch.no_grad():
            adapter.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]))
            adapter.bias.copy_(torch.tensor([0.0, 0.5, 0.0]))
        steering = Steering(adapter, Sae(tensors, apply_b_dec_to_input=False), chunk_features=chunk)
        assert steering(torch.tensor([[[2.0, -1.0]]])).tolist() == [[result]]
        assert steering.readings is not None
        assert steering.readings.l0_BxT.tolist() == [[1.0 if fraction == 0.34 else 2.0]]


def test_a_relu_adapter_takes_the_lean_path_even_with_the_fusion_relu() -> None:
    steering = Steering(toy_adapter(), toy_sae(), fusion_relu=True)
    x = toy_x(2, 5, D_IN)
    assert steering.path == "lean"
    torch.testing.assert_close(steering(x), steering.plain(x))


# --- v = 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("activation", "fusion_relu"), [("relu", False), ("soft_threshold", True)])
@pytest.mark.parametrize("chunk", [0, 7])
def test_a_silent_adapter_changes_no_bit(
    dtype: torch.dtype, activation: Any, fusion_relu: bool, chunk: int
) -> None:
    adapter = toy_adapter(activation=activation, dtype=dtype)
    adapter.mask(list(range(D_SAE)))
    x = toy_x(2, 5, D_IN).to(dtype)
    x[0, 0, :4] = torch.tensor([0.0, -0.0, 1e30, -1e-30]).to(dtype)
    steering = Steering(adapter, toy_sae(), fusion_relu=fusion_relu, chunk_features=chunk)
    assert torch.equal(bits(steering(x)), bits(x))
    readings = steering.readings
    assert readings is not None
    assert readings.l1_BxT.max() == readings.l0_BxT.max() == 0


# --- dtypes


@pytest.mark.parametrize("adapter_dtype", [torch.float32, torch.bfloat16])
def test_v_is_computed_in_the_adapters_dtype_and_added_in_the_residuals(adapter_dtype: torch.dtype) -> None:
    adapter, sae = toy_adapter(dtype=adapter_dtype), toy_sae()
    steering = Steering(adapter, sae)
    x = toy_x(2, 5, D_IN).bfloat16()
    a = sae.encoder_input(x.to(adapter_dtype))
    delta = adapter(a) @ sae.W_dec
    assert sae.W_dec.dtype == adapter_dtype
    assert torch.equal(steering(x), x + delta.to(torch.bfloat16))
    readings = steering.readings
    assert readings is not None
    assert readings.l1_BxT.dtype == torch.float32


# --- refusals


def test_a_width_that_does_not_fit_is_refused() -> None:
    steering = Steering(toy_adapter(8), toy_sae(8))
    with pytest.raises(ProfileError, match=r"reads 8 numbers.* has 16"):
        steering.attach(toy_model(), LAYER)


def test_a_block_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ProfileError, match="has 4 blocks"):
        Steering(toy_adapter(), toy_sae()).attach(toy_model(), 4)


def test_steering_twice_is_refused() -> None:
    model, _ = steered()
    with pytest.raises(ProfileError, match="steered already"):
        Steering(toy_adapter(), toy_sae()).attach(model, LAYER)


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ProfileError, match="does not keep its blocks"):
        Steering(toy_adapter(), toy_sae()).attach(torch.nn.Linear(2, 2), 0)  # type: ignore[arg-type]


def test_the_full_path_without_the_encoder_is_refused() -> None:
    tensors = {name: tensor for name, tensor in toy_tensors().items() if name in ("W_dec", "b_dec")}
    steering = Steering(toy_adapter(), Sae(tensors, apply_b_dec_to_input=True), path="full")
    with pytest.raises(ValueError, match="encoder"):
        steering(toy_x(1, 2, D_IN))


# --- the top-k where values tie


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("chunk", [0, 3, 4, 7])
def test_ties_at_the_top_do_not_depend_on_the_chunks(activation: Any, chunk: int) -> None:
    """Ten features of two values each, some shut and near their thresholds: k cuts through equals."""
    found = []
    for size in (1, chunk):
        adapter = toy_adapter(2, 10, activation=activation, top_fraction=0.6)
        with torch.no_grad():
            adapter.weight.copy_(torch.tensor([[0.25, 0.0], [0.0, 0.25]]).repeat(5, 1))
            adapter.bias.zero_()
            if adapter.threshold is not None:
                adapter.threshold.fill_(-1.5 if activation == "jump_relu" else 0.125)
        sae = toy_sae(2, 10)
        steering = Steering(adapter, sae, chunk_features=size)
        out = steering(torch.tensor([[[1.0, 1.0], [0.5, 0.75], [-1.0, 2.0]]]))
        assert steering.readings is not None
        (steering.readings.cost_BxT.sum() + out.sum()).backward()
        kept = [None if p.grad is None else p.grad != 0 for p in adapter.parameters()]
        found.append([steering.readings.l0_BxT, steering.readings.l1_BxT, *kept])
        if adapter.threshold is not None:
            assert adapter.threshold.grad is not None
            found[-1].append(adapter.threshold.grad)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_the_mask_comes_before_the_top_k(chunk: int) -> None:
    """A masked feature, the largest, leaves its place to the next; of two equal ones the first is kept."""
    adapter = toy_adapter(1, 4, top_fraction=0.5)
    with torch.no_grad():
        adapter.weight.copy_(torch.tensor([[9.0], [2.0], [3.0], [2.0]]))
        adapter.bias.zero_()
    adapter.mask([0])
    sae = Sae(
        {
            "W_enc": torch.ones(1, 4),
            "b_enc": torch.zeros(4),
            "W_dec": torch.ones(4, 1),
            "b_dec": torch.zeros(1),
        },
        apply_b_dec_to_input=False,
    )
    assert adapter(torch.ones(1)).tolist() == [0, 2, 3, 0]
    assert Steering(adapter, sae, chunk_features=chunk)(torch.ones(1, 1, 1)).item() == 1 + 2 + 3
