"""Steering as a hook on a model: what it changes, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fsrl_toys import D_SAE, LAYER, bits, steered, toy_adapter, toy_model, toy_sae
from torch import Tensor

from fsrl.steer import Steering

PROMPT = [2, 7, 13, 21, 34, 8, 40, 11, 5]


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
