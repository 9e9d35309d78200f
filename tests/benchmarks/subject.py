"""What is timed: a Gemma-2 of given sizes, an SAE, an adapter that steers, and batches of drawn lengths."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from fsrl.adapter import Adapter
from fsrl.sae import Sae
from harness.sources.synthetic.lengths import draw_lengths, real_tokens
from harness.training.pairs import PairTokens

BETA, GAMMA, ALPHA = 10.0, 5.0, 2e-2
PAD = 0


class Sizes(NamedTuple):
    """The issue's sizes; the steered block sits in the middle, as the paper's (12 of 26)."""

    d_model: int = 512
    layers: int = 8
    vocabulary: int = 32_000
    d_sae: int = 16_384
    max_length: int = 512
    pairs: int = 2
    batches: int = 2
    seed: int = 0

    @property
    def layer(self) -> int:
        return self.layers // 2 - 1


class Subject(NamedTuple):
    """One model and what goes through it; `tokens` are real ones, without padding, each row whole."""

    sizes: Sizes
    model: Gemma2ForCausalLM
    sae: Sae
    adapter: Adapter
    batches: list[list[PairTokens]]
    tokens: int


def build(sizes: Sizes) -> Subject:
    """Frozen base and SAE, a trainable adapter of which about half of the features steer; float32."""
    torch.manual_seed(sizes.seed)
    model = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.d_model,
            intermediate_size=4 * sizes.d_model,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.d_model // 64,
            num_key_value_heads=max(1, sizes.d_model // 128),
            head_dim=64,
            query_pre_attn_scalar=64,
            sliding_window=4096,
            attn_implementation="eager",
            pad_token_id=PAD,
        )
    )
    model.eval().requires_grad_(False)
    adapter = Adapter(sizes.d_model, sizes.d_sae)
    with torch.no_grad():
        adapter.weight.normal_(0, 1e-3 / sizes.d_model**0.5)
        # Far from 0 whatever the token: rounding must not decide which features steer.
        adapter.bias.copy_(0.02 * (1 - 2 * torch.randint(0, 2, (sizes.d_sae,))))
    lengths = draw_lengths(
        sizes.pairs * sizes.batches,
        max_length=sizes.max_length,
        max_prompt_length=sizes.max_length * 7 // 8,
    )
    draw = np.random.default_rng(sizes.seed)
    rows = [
        PairTokens(*(draw.integers(1, sizes.vocabulary, tokens).tolist() for tokens in one))
        for one in lengths
    ]
    batches = [rows[start : start + sizes.pairs] for start in range(0, len(rows), sizes.pairs)]
    return Subject(sizes, model, _sae(sizes), adapter, batches, real_tokens(lengths))


def _sae(sizes: Sizes) -> Sae:
    decoder = torch.nn.functional.normalize(torch.randn(sizes.d_sae, sizes.d_model), dim=-1)
    tensors = {
        "W_dec": decoder,
        "W_enc": decoder.T.contiguous(),
        "b_enc": torch.zeros(sizes.d_sae),
        "b_dec": torch.zeros(sizes.d_model),
        "threshold": torch.full((sizes.d_sae,), 0.05),
    }
    return Sae(tensors, apply_b_dec_to_input=False)
