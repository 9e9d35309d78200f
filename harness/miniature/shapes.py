"""The miniatures' architectures: one world, three models that are asked the same questions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

POST_NORM_START = 0.3
SPECIAL = {"pad_token_id": "<pad>", "bos_token_id": "<bos>", "eos_token_id": "<eos>"}


@dataclass(frozen=True)
class Shape:
    """The sizes of a miniature, and of the SAE that reads one of its blocks.

    Attributes:
        family: ``gemma2`` (soft-caps, norms before and after each part, a sliding window of 128 in every
            other block) or ``llama`` (norms before each part only, no soft-cap).
        width, mlp, blocks, heads: of the model; a head is 32 wide, and there are 2 key-value heads.
        layer: the block whose output the SAE reads.
        d_sae: features of the SAE.
    """

    family: str
    width: int
    mlp: int
    blocks: int
    heads: int
    layer: int
    d_sae: int


SHAPES = {
    "miniature": Shape("gemma2", width=192, mlp=512, blocks=6, heads=6, layer=3, d_sae=1024),
    "miniature-llama": Shape("llama", width=192, mlp=512, blocks=6, heads=6, layer=3, d_sae=1024),
    "miniature-narrow": Shape("gemma2", width=128, mlp=384, blocks=4, heads=4, layer=2, d_sae=512),
}
"""By the bundle's name."""


def model_config(shape: Shape, vocabulary: int, ids: Mapping[str, int]) -> Gemma2Config | LlamaConfig:
    """The configuration of a shape; the vocabulary is rounded up to a multiple of 64.

    Args:
        ids: token id of each special token by its text.
    """
    common = {
        "vocab_size": 64 * math.ceil(vocabulary / 64),
        "hidden_size": shape.width,
        "intermediate_size": shape.mlp,
        "num_hidden_layers": shape.blocks,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        **{name: ids[token] for name, token in SPECIAL.items()},
    }
    if shape.family == "llama":
        return LlamaConfig(**common, initializer_range=0.06)
    caps = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    return Gemma2Config(
        **common, **caps, query_pre_attn_scalar=32, sliding_window=128, initializer_range=0.06
    )


def new_model(tokenizer: PreTrainedTokenizerFast, shape: Shape, seed: int) -> PreTrainedModel:
    """An untrained model; ``<eos>`` and ``<end_of_turn>`` end a generation."""
    torch.manual_seed(seed)
    ids = {
        token: int(tokenizer.convert_tokens_to_ids(token)) for token in (*SPECIAL.values(), "<end_of_turn>")
    }
    config = model_config(shape, len(tokenizer), ids)
    if isinstance(config, LlamaConfig):
        model: PreTrainedModel = LlamaForCausalLM._from_config(config, attn_implementation="sdpa")
    else:
        model = Gemma2ForCausalLM._from_config(config, attn_implementation="eager")
    calm_start(model)
    generation = model.generation_config
    assert generation is not None
    generation.eos_token_id = [ids["<eos>"], ids["<end_of_turn>"]]
    generation.pad_token_id, generation.bos_token_id = ids["<pad>"], ids["<bos>"]
    return model


@torch.no_grad()
def calm_start(model: PreTrainedModel) -> None:
    """Start with a calm residual stream, whose parts do not yet speak at full size.

    Gemma 2's norms after each part start low; in a Llama, which has none, the last matrix of each part is
    divided by the root of the number of parts.
    """
    blocks = model.get_decoder().layers
    for block in blocks:
        if hasattr(block, "post_feedforward_layernorm"):
            block.post_attention_layernorm.weight.fill_(POST_NORM_START - 1.0)
            block.post_feedforward_layernorm.weight.fill_(POST_NORM_START - 1.0)
        else:
            block.self_attn.o_proj.weight.div_(math.sqrt(2 * len(blocks)))
            block.mlp.down_proj.weight.div_(math.sqrt(2 * len(blocks)))
