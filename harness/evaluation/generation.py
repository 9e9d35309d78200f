"""What decides a generation: the task, the profile and the ids that end a turn; nothing else of the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, GenerationConfig

from harness.core.errors import EvaluationError
from harness.core.results import GenerationFacts
from harness.evaluation.guard import eos_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NEAR_TIE = 1e-3
"""Where the two best logits of a step are closer, lm-eval's own loop decides. Rounding moves one by 1e-4."""
CACHE_BYTES = 512 * 2**20
"""Keys and values of all prompts that are answered at once, unless `evaluation.batch_size` asks for more."""
ARCHITECTURES = ("gemma2", "gemma3_text", "llama")
"""Those whose answers the tests hold against lm-eval's own loop."""
GREEDY = {"until", "max_gen_toks", "do_sample", "temperature"}
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
HOUSEKEEPING = {*TOKENS, "transformers_version", "_from_model_config"}


@contextmanager
def plain_generation(model: PreTrainedModel) -> Iterator[dict[str, Any]]:
    """Inside, the model's generation config holds its special tokens and nothing else.

    Yields:
        what it held besides, which has no effect.

    Raises:
        EvaluationError: the model's config.json holds generation settings, which transformers refuses.
    """
    found = model.config._get_generation_parameters()
    if found:
        raise EvaluationError(
            "the model's config.json holds settings of generations",
            value=json.dumps(found, sort_keys=True),
            remedy="remove them from config.json; the task and the profile decide how answers are generated",
        )
    before = model.generation_config
    model.generation_config = GenerationConfig(**{name: getattr(before, name) for name in TOKENS})
    try:
        yield ignored(before)
    finally:
        model.generation_config = before


def ignored(config: GenerationConfig) -> dict[str, Any]:
    """What a generation config sets besides special tokens and transformers' own defaults."""
    defaults = GenerationConfig._get_default_generation_params()
    return {
        name: value
        for name, value in config.to_diff_dict().items()
        if name not in HOUSEKEEPING and value != defaults.get(name, False)
    }


def in_force(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a generation: those asked for, over transformers' defaults that are not None."""
    bounds = {"max_length", "until", "max_gen_toks"}  # recorded apart
    every = {**GenerationConfig._get_default_generation_params(), **asked}
    return {name: value for name, value in sorted(every.items()) if value is not None and name not in bounds}


def outside_lm_eval(model_dir: Path, max_new_tokens: int) -> GenerationFacts:
    """What is in force where transformers generates greedy answers under `plain_generation`."""
    try:
        config = GenerationConfig.from_pretrained(model_dir)
    except OSError:  # no generation_config.json: transformers takes the special tokens of the model's config
        config = GenerationConfig.from_model_config(AutoConfig.from_pretrained(model_dir))
    return GenerationFacts(
        loop="transformers",
        eos_ids=eos_ids(config),
        max_new_tokens=max_new_tokens,
        until=(),
        settings=in_force({"do_sample": False}),
        ignored=ignored(config),
    )


def why_lm_evals_loop(model: PreTrainedModel, asked: Mapping[str, Any]) -> str:
    """Why lm-eval's own loop generates, in words; empty where the harness's gives the same answers.

    Args:
        asked: the task's and the profile's settings as lm-eval has normalised them.
    """
    kind = model.config.get_text_config().model_type
    if model.dtype != torch.float32:
        return f"model.dtype is {str(model.dtype).removeprefix('torch.')}: its rounding decides tokens"
    if kind not in ARCHITECTURES:
        return f"the architecture {kind} is not among those tested: {', '.join(ARCHITECTURES)}"
    if asked.get("do_sample") or asked.get("temperature") or set(asked) - GREEDY:
        return f"the task does not ask for plain greedy answers: {', '.join(sorted(set(asked) - {'until'}))}"
    return ""


def rows_at_once(model: PreTrainedModel, tokens: int, batch_size: int) -> int:
    """How many prompts are answered at once: as many as fit into `CACHE_BYTES`, at least `batch_size`.

    Args:
        tokens: of the longest prompt and its answer.
    """
    config = model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    a_token = 2 * config.num_hidden_layers * config.num_key_value_heads * size * model.dtype.itemsize
    return max(batch_size, int(CACHE_BYTES // (a_token * tokens)))


def stop_finder(
    tokenizer: PreTrainedTokenizerBase, until: list[str]
) -> Callable[[list[int], int], int | None]:
    """Where lm-eval's `MultiTokenEOSCriteria` ends an answer that is generated alone.

    After each token it decodes as many of the last tokens as the stop string has, and two more. Here the
    tokens since the last look are decoded at once; where a stop string is among them, each end is looked at.
    """
    spans = [(text, len(tokenizer.encode(text, add_special_tokens=False)) + 2) for text in until]
    longest = max(span for _, span in spans)

    def ends_at(tokens: list[int]) -> bool:
        return any(text in str(tokenizer.decode(tokens[-span:])) for text, span in spans)

    def first_stop(tokens: list[int], looked: int) -> int | None:
        recent = str(tokenizer.decode(tokens[max(0, looked - longest) :]))
        if not any(text in recent for text, _ in spans):
            return None
        counts = range(looked + 1, len(tokens) + 1)
        return next((count for count in counts if ends_at(tokens[:count])), None)

    return first_stop
