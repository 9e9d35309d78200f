"""The three miniatures' architectures, untrained: class, sizes, ties, and the ids that end an answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from harness.miniature.manifest import BUNDLE, BUNDLES
from harness.miniature.shapes import POST_NORM_START, SHAPES, model_config, new_model
from harness.profiles.profile import load_profile

IDS = {"<pad>": 0, "<bos>": 2, "<eos>": 1}
CLASSES = {
    "miniature": (Gemma2ForCausalLM, Gemma2Config),
    "miniature-llama": (LlamaForCausalLM, LlamaConfig),
    "miniature-narrow": (Gemma2ForCausalLM, Gemma2Config),
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BUNDLE / "model")


@pytest.fixture(scope="module", params=list(SHAPES))
def built(request: pytest.FixtureRequest, tokenizer: Any) -> tuple[str, PreTrainedModel]:
    return request.param, new_model(tokenizer, SHAPES[request.param], 7)


def entries(name: str, vocabulary: int) -> int:
    """By hand: embeddings once (they are tied); a block's attention has heads + 2 x 2 + heads parts of 32,
    its MLP three matrices; Gemma 2 has four norms a block, a Llama two; one norm at the end.
    """
    shape = SHAPES[name]
    attention = 32 * shape.width * (2 * shape.heads + 4)
    norms = shape.width * (4 if shape.family == "gemma2" else 2)
    block = attention + 3 * shape.width * shape.mlp + norms
    return vocabulary * shape.width + shape.blocks * block + shape.width


def test_every_bundle_has_a_shape_and_every_shape_a_profile() -> None:
    assert list(SHAPES) == list(BUNDLES)
    for name, shape in SHAPES.items():
        profile = load_profile(name)
        assert (profile.model.id, profile.sae.layer) == (name, shape.layer)
        assert 0 <= shape.layer < shape.blocks
        assert shape.heads * 32 == shape.width


def test_each_shape_is_of_its_family(built: tuple[str, PreTrainedModel]) -> None:
    name, model = built
    kind, config = CLASSES[name]
    assert isinstance(model, kind)
    assert isinstance(model.config, config)
    assert model.config.num_key_value_heads == 2
    assert model.config.head_dim == 32


def test_the_parameters_by_hand(built: tuple[str, PreTrainedModel]) -> None:
    name, model = built
    assert model.config.vocab_size % 64 == 0
    assert sum(one.numel() for one in model.parameters()) == entries(name, model.config.vocab_size)


def test_the_narrow_one_is_a_third_of_the_first() -> None:
    """With the vocabulary that they share; page: `a Gemma-2 of a third of the size`."""
    first, narrow = (entries(name, 2112) for name in ("miniature", "miniature-narrow"))
    assert 0.25 < narrow / first < 0.45


def test_embeddings_are_tied(built: tuple[str, PreTrainedModel]) -> None:
    _, model = built
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_two_tokens_end_an_answer(built: tuple[str, PreTrainedModel], tokenizer: Any) -> None:
    _, model = built
    generation = model.generation_config
    assert generation is not None
    eos, turn = tokenizer.convert_tokens_to_ids(["<eos>", "<end_of_turn>"])
    assert generation.eos_token_id == [eos, turn]
    assert (generation.pad_token_id, generation.bos_token_id) == (
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
    )
    assert model.config.eos_token_id == eos


def test_the_start_is_calm(built: tuple[str, PreTrainedModel]) -> None:
    """Gemma 2's norms multiply by 1 + weight. A Llama's last matrices are the root of 12 parts smaller: their
    deviation is 0.06 / sqrt 12.
    """
    name, model = built
    for block in model.get_decoder().layers:
        if SHAPES[name].family == "gemma2":
            for norm in (block.post_attention_layernorm, block.post_feedforward_layernorm):
                assert torch.equal(1 + norm.weight, torch.full_like(norm.weight, POST_NORM_START))
            assert block.mlp.down_proj.weight.std().item() == pytest.approx(0.06, rel=0.03)
        else:
            for part in (block.self_attn.o_proj, block.mlp.down_proj):
                assert part.weight.std().item() == pytest.approx(0.06 / 12**0.5, rel=0.03)
            assert block.mlp.up_proj.weight.std().item() == pytest.approx(0.06, rel=0.03)


def test_the_seed_alone_makes_the_start(tokenizer: Any) -> None:
    shape = SHAPES["miniature-narrow"]
    one, same, other = (new_model(tokenizer, shape, seed).get_input_embeddings().weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_soft_caps_and_window_belong_to_gemma_2_alone() -> None:
    first, llama, narrow = (model_config(SHAPES[name], 2100, IDS) for name in SHAPES)
    for config in (first, narrow):
        assert isinstance(config, Gemma2Config)
        assert (config.attn_logit_softcapping, config.final_logit_softcapping) == (50.0, 30.0)
        assert (config.sliding_window, config.query_pre_attn_scalar) == (128, 32)
        assert config.layer_types[:2] == ["sliding_attention", "full_attention"]
    assert isinstance(llama, LlamaConfig)
    assert not hasattr(llama, "final_logit_softcapping")


@pytest.mark.parametrize(("vocabulary", "rounded"), [(2048, 2048), (2049, 2112), (1, 64)])
def test_the_vocabulary_is_rounded_up_to_64(vocabulary: int, rounded: int) -> None:
    assert model_config(SHAPES["miniature"], vocabulary, IDS).vocab_size == rounded
