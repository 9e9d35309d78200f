"""Attention that leaves out what is hidden: eager's hidden states, where padding, windows and caps stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import training_toys as toys
from transformers import Gemma3TextConfig, Gemma3TextModel, LlamaConfig, LlamaModel, PreTrainedModel

from harness.evaluation import attention
from harness.evaluation.attention import NAME, blocked, blocked_eager

SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.4,
    "attn_implementation": "eager",
}


def gemma2() -> PreTrainedModel:
    return toys.model(sliding_window=5)


def gemma3() -> PreTrainedModel:
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    return Gemma3TextModel(Gemma3TextConfig(sliding_window=5, layer_types=kinds, **SIZES))


def llama() -> PreTrainedModel:
    return LlamaModel(LlamaConfig(**SIZES))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("build", [gemma2, gemma3, llama])
@torch.no_grad()
def test_hidden_states_are_eagers(build: Any, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "BLOCK", 4)
    torch.manual_seed(0)
    model = build().eval()
    mask = torch.ones(3, 18, dtype=torch.long)
    for row, padding in enumerate((0, 3, 11)):
        mask[row, slice(0, padding) if side == "left" else slice(18 - padding, None)] = 0
    given = {"input_ids": torch.randint(3, 50, (3, 18)) * mask, "attention_mask": mask}
    decoder = model.get_decoder() if hasattr(model, "lm_head") else model
    wanted = decoder(**given, use_cache=False).last_hidden_state
    with blocked(model):
        found = decoder(**given, use_cache=False).last_hidden_state
    torch.testing.assert_close(found[mask.bool()], wanted[mask.bool()], atol=1e-5, rtol=1e-4)


def test_it_stands_in_for_eager_only_and_not_for_longer() -> None:
    eager, other = gemma2(), llama()
    other.set_attn_implementation("sdpa")
    with blocked_eager(eager), blocked_eager(other):
        assert eager.config._attn_implementation == NAME
        assert other.config._attn_implementation == "sdpa"
    assert eager.config._attn_implementation == "eager"
