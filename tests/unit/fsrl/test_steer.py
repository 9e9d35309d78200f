"""Steering: the identity it rests on, its chunks, its hook on a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, LAYER, toy_adapter, toy_model, toy_sae, toy_tensors, toy_x
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fsrl.lean import from_bits, to_bits
from fsrl.sae import Sae
from fsrl.steer import Steering
from harness.core.errors import ProfileError

ACTIVATIONS = ("relu", "jump_relu", "soft_threshold")
PROMPT = [2, 7, 13, 21, 34, 8, 40, 11, 5]


def bits(tensor: Tensor) -> Tensor:
    return tensor.view({2: torch.int16, 4: torch.int32}[tensor.element_size()])


def steered(layer: int = LAYER, **options: Any) -> tuple[Any, Steering]:
    model = toy_model()
    steering = Steering(toy_adapter(**options), toy_sae())
    steering.attach(model, layer)
    return model, steering


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


def test_a_relu_adapter_takes_the_lean_path_even_with_the_fusion_relu() -> None:
    steering = Steering(toy_adapter(), toy_sae(), fusion_relu=True)
    x = toy_x(2, 5, D_IN)
    assert steering.path == "lean"
    torch.testing.assert_close(steering(x), steering.plain(x))


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


# --- on a model


def logits(model: Any, ids: list[int]) -> Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits


def test_the_hook_acts_and_its_removal_gives_the_base_model_back() -> None:
    model = toy_model()
    base = logits(model, PROMPT)
    steering = Steering(toy_adapter(), toy_sae())
    steering.attach(model, LAYER)
    assert not torch.equal(logits(model, PROMPT), base)
    assert any(name.startswith("fsrl.adapter") for name, _ in model.named_parameters())
    steering.remove(model)
    assert torch.equal(bits(logits(model, PROMPT)), bits(base))
    assert not any("fsrl" in name for name, _ in model.named_modules())


def test_a_model_steered_with_zero_is_the_base_model_bit_for_bit() -> None:
    model = toy_model()
    base = logits(model, PROMPT)
    steering = Steering(toy_adapter(), toy_sae(), chunk_features=7)
    steering.attach(model, LAYER)
    steering.adapter.mask(list(range(D_SAE)))
    assert torch.equal(bits(logits(model, PROMPT)), bits(base))


def test_it_steers_the_output_of_its_block_and_nothing_before() -> None:
    model = toy_model()
    ids = torch.tensor([PROMPT])
    with torch.no_grad():
        before = model(ids, output_hidden_states=True).hidden_states
        steering = Steering(toy_adapter(), toy_sae())
        steering.attach(model, LAYER)
        after = model(ids, output_hidden_states=True).hidden_states
        wanted = steering(before[LAYER + 1])
    for index in range(LAYER + 1):
        assert torch.equal(after[index], before[index])
    assert torch.equal(after[LAYER + 1], wanted)


def test_a_prompt_alone_equals_the_same_prompt_left_padded_in_a_batch() -> None:
    """Tolerance 1e-5: a batch sums in another order."""
    model, _ = steered()
    padded = torch.tensor([[0] * 4 + PROMPT, list(range(2, 2 + 4 + len(PROMPT)))])
    mask = torch.ones_like(padded)
    mask[0, :4] = 0
    with torch.no_grad():
        batch = model(padded, attention_mask=mask).logits[0, 4:]
    torch.testing.assert_close(batch, logits(model, PROMPT)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [0, 4])
def test_cached_generation_equals_generation_without_a_cache(padding: int) -> None:
    model, _ = steered()
    ids = torch.tensor([[0] * padding + PROMPT])
    mask = (torch.arange(ids.shape[1]) >= padding).long()[None]
    tokens = [
        model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=12, use_cache=cache, eos_token_id=None
        )
        for cache in (True, False)
    ]
    assert tokens[0].shape[1] == ids.shape[1] + 12
    assert torch.equal(tokens[0], tokens[1])


def test_below_the_hook_autograd_keeps_nothing() -> None:
    model = toy_model()
    model.requires_grad_(False)
    steering = Steering(toy_adapter(), toy_sae(), chunk_features=7)
    kept: list[str] = []
    where = "below"

    def enter(*_: Any) -> None:
        nonlocal where
        where = "from the hook on"

    steering.register_forward_pre_hook(enter)
    steering.attach(model, LAYER)
    seen: dict[str, bool] = {}
    model.model.layers[LAYER].register_forward_pre_hook(
        lambda _, args: seen.update(below=args[0].requires_grad)
    )
    model.model.layers[LAYER + 1].register_forward_pre_hook(
        lambda _, args: seen.update(above=args[0].requires_grad)
    )

    def pack(tensor: Tensor) -> Tensor:
        kept.append(where)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.tensor([PROMPT])).logits.sum().backward()
    assert seen == {"below": False, "above": True}
    assert kept
    assert "below" not in kept
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        "fsrl.adapter.weight",
        "fsrl.adapter.bias",
    }


def test_gradient_checkpointing_of_the_blocks_changes_no_gradient() -> None:
    grads = []
    for recompute in (False, True):
        model, steering = steered()
        model.requires_grad_(False)
        steering.requires_grad_(True)
        model.train()
        if recompute:
            model.activation_checkpointing_enable()
        calls: list[bool] = []
        steering.register_forward_pre_hook(lambda *_, calls=calls: calls.append(True))
        model(torch.tensor([PROMPT])).logits.square().mean().backward()
        assert len(calls) == 1
        grads.append([p.grad for p in steering.parameters()])
    for plain, checkpointed in zip(*grads, strict=True):
        assert plain is not None
        torch.testing.assert_close(checkpointed, plain)


def test_the_sae_is_not_part_of_the_saved_state_and_is_never_trained() -> None:
    model, _ = steered()
    assert {name for name in model.state_dict() if "fsrl" in name} == {
        "fsrl.adapter.weight",
        "fsrl.adapter.bias",
    }


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
