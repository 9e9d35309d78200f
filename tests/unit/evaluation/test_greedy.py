"""The harness's greedy loop: token for token the answers of lm-eval's own, alone and in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from fsrl_toys import toy_adapter, toy_sae
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils_hf import stop_sequences_criteria
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from fsrl.steer import Steering
from harness.core.errors import EvaluationError
from harness.core.results import RequestFacts
from harness.evaluation import decode
from harness.evaluation.benchmark import quiet
from harness.evaluation.generation import (
    in_force,
    plain_generation,
    rows_at_once,
    stop_finder,
    why_lm_evals_loop,
)
from harness.evaluation.lm import GuardedLM
from harness.miniature.manifest import BUNDLE
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import load_profile

SHOT = (
    "Question: Wisk has 4 nuts. Wisk gives 3 to Pakash. How many nuts are left?\nAnswer: 4-3=1.\n#### 1\n\n"
)
QUESTIONS = [
    SHOT * shots
    + f"Question: Fainim has {n} ropes. Wusim has {n + 1} ropes more. How many are there?\nAnswer:"
    for n, shots in enumerate((2, 0, 4, 1, 0, 3, 2, 1))
]
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(BUNDLE / "model")


def miniature() -> PreTrainedModel:
    return load_model(BUNDLE / "model", load_profile("miniature").model, torch.device("cpu")).eval()


def steered() -> PreTrainedModel:
    model = miniature()
    adapter = toy_adapter(192, 200)
    adapter.bias.data.sub_(1.0)
    Steering(adapter.requires_grad_(False), toy_sae(192, 200)).attach(model, 3)
    return model


def random_weights(model: PreTrainedModel) -> PreTrainedModel:
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.generation_config.eos_token_id = [1, 5]
    return model.eval()


def llama() -> PreTrainedModel:
    torch.manual_seed(5)
    return random_weights(LlamaForCausalLM(LlamaConfig(vocab_size=2048, attn_implementation="sdpa", **SIZES)))


def gemma3() -> PreTrainedModel:
    torch.manual_seed(6)
    kinds = ["sliding_attention", "full_attention"] * 2
    config = Gemma3TextConfig(
        vocab_size=2048, sliding_window=20, layer_types=kinds, attn_implementation="eager", **SIZES
    )
    return random_weights(Gemma3ForCausalLM(config))


def requests(tokenizer: Any, **asking: Any) -> list[Instance]:
    asked = {"until": ["Question:"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 24, **asking}
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        for question in QUESTIONS
    ]
    return [Instance("generate_until", {}, (text, dict(asked)), place) for place, text in enumerate(prompts)]


def ours(
    model: PreTrainedModel, tokenizer: Any, asked: list[Instance], *, share: bool = True, batch_size: int = 4
) -> tuple[list[str], RequestFacts]:
    with quiet():
        lm = GuardedLM(model, tokenizer, batch_size=batch_size, chat_template=True, share_prefix=share)
    with lm.watching("gsm8k") as log:
        answers = lm.generate_until(asked)
    return answers, log.facts()


def lm_evals(model: PreTrainedModel, tokenizer: Any, asked: list[Instance], batch_size: int) -> list[str]:
    with quiet():
        theirs = HFLM(
            pretrained=model, tokenizer=tokenizer, batch_size=batch_size, add_bos_token=True, max_length=1024
        )
    found: list[str] = theirs.generate_until(asked, disable_tqdm=True)
    return found


@pytest.mark.parametrize("build", [miniature, steered, llama, gemma3])
@pytest.mark.parametrize(
    "asking", [{}, {"until": ["has", " more"]}, {"max_gen_toks": 1}, {"max_gen_toks": 50}], ids=str
)
def test_the_answers_are_lm_evals(build: Any, asking: dict[str, Any], tokenizer: Any) -> None:
    model, asked = build(), requests(tokenizer, **asking)
    found, facts = ours(model, tokenizer, asked)
    assert facts.generation is not None
    assert (facts.generation.loop, facts.generation.reason) == ("harness", "")
    for batch_size in (1, 3, 8):
        assert lm_evals(model, tokenizer, asked, batch_size) == found


def test_the_prompts_are_recorded_as_with_lm_evals_loop(tokenizer: Any) -> None:
    model, asked = miniature(), requests(tokenizer)
    (one, fast), (other, slow) = (ours(model, tokenizer, asked, share=share) for share in (True, False))
    assert one == other
    same = {"generation"}
    assert fast.model_dump(exclude=same) == slow.model_dump(exclude=same)
    assert fast.stop_ids == (1, 5)
    assert slow.generation is not None
    assert slow.generation.reason == "evaluation.share_prefix is false"


def test_rows_that_have_ended_leave(tokenizer: Any) -> None:
    model, rows = miniature(), []
    handle = model.get_decoder().register_forward_pre_hook(
        lambda _m, _a, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    try:
        ours(model, tokenizer, requests(tokenizer, max_gen_toks=200))
    finally:
        handle.remove()
    assert rows[0] == len(QUESTIONS)
    assert rows[1:] == sorted(rows[1:], reverse=True)
    assert rows[-1] < rows[0]
    assert len(rows) < 200


def test_where_two_logits_are_close_lm_evals_loop_decides(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = miniature(), requests(tokenizer)
    alone = []
    plain = HFLM.generate_until

    def noted(self: Any, again: list[Instance], **options: Any) -> list[str]:
        alone.append((self.batch_size, len(again)))
        found: list[str] = plain(self, again, **options)
        return found

    monkeypatch.setattr(HFLM, "generate_until", noted)
    monkeypatch.setattr("harness.evaluation.greedy.NEAR_TIE", 1e9)
    found, facts = ours(model, tokenizer, asked)
    assert alone == [(1, len(asked))]
    assert facts.generation is not None
    assert facts.generation.near_ties == len(asked)
    monkeypatch.setattr("harness.evaluation.greedy.NEAR_TIE", 0.0)
    assert ours(model, tokenizer, asked)[0] == found
    assert facts.ids_sha256 == ours(model, tokenizer, asked)[1].ids_sha256


def test_prompts_that_do_not_fit_together_are_answered_in_turn(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = miniature(), requests(tokenizer)
    whole = ours(model, tokenizer, asked)
    monkeypatch.setattr("harness.evaluation.generation.CACHE_BYTES", 1)
    monkeypatch.setattr(decode, "PREFILL_TOKENS", 300)
    assert rows_at_once(model, 100, 3) == 3
    assert ours(model, tokenizer, asked, batch_size=3) == whole


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": 5},
        {"max_length": 9},
        {"min_new_tokens": 40},
        {"repetition_penalty": 5.0},
        {"no_repeat_ngram_size": 1},
        {"num_beams": 3},
        {"do_sample": True, "temperature": 9.0, "top_p": 0.5},
        {"forced_eos_token_id": 7},
        {"suppress_tokens": list(range(20, 400))},
        {"bad_words_ids": [[token] for token in range(20, 400)]},
        {"sequence_bias": [[[300], 99.0]]},
        {"stop_strings": ["a"]},
    ],
    ids=str,
)
def test_the_models_settings_change_nothing(share: bool, setting: dict[str, Any], tokenizer: Any) -> None:
    model, asked = miniature(), requests(tokenizer)[:2]
    wanted, before = ours(model, tokenizer, asked, share=share)
    assert before.generation is not None
    assert before.generation.ignored == {}
    model.generation_config.update(**setting)
    found, facts = ours(model, tokenizer, asked, share=share)
    assert found == wanted
    assert facts.generation is not None
    assert facts.generation.ignored == setting
    assert facts.generation.settings == before.generation.settings
    assert all(getattr(model.generation_config, name) == value for name, value in setting.items())


def test_all_that_is_in_force_is_recorded(tokenizer: Any) -> None:
    _, facts = ours(miniature(), tokenizer, requests(tokenizer)[:2])
    assert facts.generation is not None
    assert facts.generation.max_new_tokens == 24
    assert facts.generation.until == ("Question:", "<eos>")
    assert facts.generation.eos_ids == (1, 5)
    wanted = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "temperature": 0.0}
    assert facts.generation.settings.items() >= wanted.items()
    assert "max_length" not in in_force({})


def test_settings_in_the_models_config_are_refused_by_name() -> None:
    model = miniature()
    model.config.repetition_penalty = 3.0
    with (
        pytest.raises(EvaluationError, match=r"config\.json holds settings") as error,
        plain_generation(model),
    ):
        pass
    assert error.value.value == '{"repetition_penalty": 3.0}'


def test_why_lm_evals_loop_generates(tokenizer: Any) -> None:
    bfloat16, asked = llama().to(torch.bfloat16), requests(tokenizer)[:2]
    found, facts = ours(bfloat16, tokenizer, asked)
    assert facts.generation is not None
    assert (facts.generation.loop, facts.generation.near_tie) == ("lm-eval", None)
    assert facts.generation.reason.startswith("model.dtype is bfloat16")
    assert found == lm_evals(bfloat16, tokenizer, asked, 4)
    model = llama()
    assert why_lm_evals_loop(model, {"do_sample": False, "temperature": 0.0}) == ""
    assert "num_beams" in why_lm_evals_loop(model, {"num_beams": 2})
    assert "temperature" in why_lm_evals_loop(model, {"do_sample": True, "temperature": 1.0})
    model.config.model_type = "mistral"
    assert "mistral is not among those tested" in why_lm_evals_loop(model, {})


def test_a_logit_that_is_not_finite_names_the_item(tokenizer: Any) -> None:
    model = miniature()
    handle = model.get_output_embeddings().register_forward_hook(lambda _m, _a, out: out * float("nan"))
    try:
        with pytest.raises(EvaluationError, match="gsm8k: a logit of the answer to item 0 is not finite"):
            ours(model, tokenizer, requests(tokenizer))
    finally:
        handle.remove()


def test_questions_of_unlike_settings_are_refused(tokenizer: Any) -> None:
    asked = [*requests(tokenizer), *requests(tokenizer, max_gen_toks=3)]
    with pytest.raises(EvaluationError, match="unlike generations"):
        ours(miniature(), tokenizer, asked)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(0, 1663), min_size=1, max_size=24), place=st.integers(0, 24))
def test_an_answer_ends_where_lm_evals_criterion_ends_it(ids: list[int], place: int, tokenizer: Any) -> None:
    until = ["has", "Question:", "<end_of_turn>", "<<"]
    new = [*ids[:place], *tokenizer.encode(until[place % 4], add_special_tokens=False), *ids[place:]]
    criteria = stop_sequences_criteria(tokenizer, until, 2, 1)
    ends = (
        count
        for count in range(1, len(new) + 1)
        if criteria(torch.tensor([[7, 7, *new[:count]]]), None).any()
    )
    wanted, find = next(ends, None), stop_finder(tokenizer, until)
    looks = [(end, find(new[:end], start)) for start, end in pairwise([*range(0, len(new), 8), len(new)])]
    assert next((found for _, found in looks if found is not None), None) == wanted
