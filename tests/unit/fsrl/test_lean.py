"""Steering in chunks: the same values and gradients, and what is kept for the backward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, toy_adapter, toy_sae, toy_x
from torch import Tensor

from fsrl.lean import from_bits, to_bits
from fsrl.steer import Steering

ACTIVATIONS = ("relu", "jump_relu", "soft_threshold")


# --- chunks


def run(steering: Steering, x: Tensor) -> list[Tensor]:
    """Output, readings, and the gradients of a loss that uses all of them."""
    steering.zero_grad()
    output, readings = steering(x), steering.readings
    assert readings is not None
    probe = torch.linspace(-1, 2, output.numel()).reshape(output.shape)
    ((output * probe).sum() + 0.3 * readings.cost_BxT.sum() + 0.1 * readings.l1_BxT.sum()).backward()
    grads = [p.grad for p in steering.adapter.parameters()]
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads)
    return [
        output.detach(),
        *(part.detach() for part in readings),
        *(g.clone() for g in grads if g is not None),
    ]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("fraction", [1.0, 0.2])
@pytest.mark.parametrize("path", ["lean", "full"])
def test_chunked_equals_plain_in_values_and_gradients(activation: Any, fraction: float, path: Any) -> None:
    sae, x = toy_sae(), toy_x(2, 5, D_IN)
    adapter = toy_adapter(activation=activation, top_fraction=fraction, bandwidth=4.0)
    adapter.mask([3, 17])
    whole = run(Steering(adapter, sae, path=path), x)
    for chunk in (1, 7, 16, D_SAE - 1):
        for got, wanted in zip(
            run(Steering(adapter, sae, path=path, chunk_features=chunk), x), whole, strict=True
        ):
            torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-4)


def test_chunks_pass_gradients_to_the_residual_stream_below() -> None:
    grads = []
    for chunk in (0, 7):
        x = toy_x(2, 5, D_IN).requires_grad_()
        Steering(toy_adapter(), toy_sae(), chunk_features=chunk)(x).square().sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(grads[0], grads[1], atol=1e-5, rtol=1e-5)


def kept_bytes(d_sae: int, chunk: int, activation: str = "relu") -> int:
    """Bytes of activations that the forward pass keeps for the backward pass (parameters, SAE left out)."""
    adapter = toy_adapter(D_IN, d_sae, activation=activation)
    steering = Steering(adapter, toy_sae(D_IN, d_sae), chunk_features=chunk)
    owned = {t.untyped_storage().data_ptr() for t in (*steering.parameters(), *steering.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = steering(toy_x(2, 32, D_IN))
    assert output.requires_grad
    return sum(kept.values())


def test_memory_grows_by_one_bit_a_feature_and_position() -> None:
    for chunk in (0, 64):
        assert kept_bytes(2048, chunk) - kept_bytes(256, chunk) == 64 * (2048 - 256) // 8


def test_where_it_is_computed_again_memory_does_not_grow_with_the_dictionary() -> None:
    assert kept_bytes(2048, 64, "soft_threshold") == kept_bytes(256, 64, "soft_threshold")
    grown, small = kept_bytes(2048, 0, "soft_threshold"), kept_bytes(256, 0, "soft_threshold")
    assert grown > 6 * small > 6 * kept_bytes(256, 64, "soft_threshold")


def test_bits_come_back() -> None:
    for features in (1, 7, 8, 9, 40):
        mask = torch.rand(5, features, generator=torch.Generator().manual_seed(features)) > 0.5
        bits = to_bits(mask)
        assert bits.shape == (5, -(-features // 8))
        assert torch.equal(from_bits(bits, features), mask)
