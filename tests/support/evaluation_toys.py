"""A model of a few thousand parameters and a handful of rows, for the tests of harness/evaluation/."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lm_eval
import torch
from lm_eval.tasks import TaskManager
from transformers import Gemma2Config, Gemma2ForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from harness.core.artefact import digest_tree
from harness.core.results import PrepareResult
from harness.evaluation.benchmark import quiet
from harness.evaluation.tasks import resolve_task
from harness.miniature.tokenizer import BOS, END, EOS, PAD, train_tokenizer
from harness.profiles.profile import Profile, load_profile, parse_profile

SUBJECTS = ("tides", "virology")  # lm-eval knows the second one
LIMIT = 3


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def mmlu_row(subject: str, i: int) -> dict[str, Any]:
    choices = [f"{(i + k) % 7} feet" for k in range(4)]
    return {
        "question": f"How high is {subject} {i}?",
        "subject": subject,
        "choices": choices,
        "answer": i % 4,
    }


def truthful_row(i: int) -> dict[str, Any]:
    choices = [f"It is {word}." for word in ("true", "not so", "so")][: 2 + i % 2]
    targets = {"choices": choices, "labels": [1, 0, 0][: len(choices)]}
    return {"question": f"Is it so {i}?", "mc1_targets": targets, "mc2_targets": targets}


def problem_row(i: int) -> dict[str, Any]:
    return {"question": f"What is {i} plus {i}?", "answer": f"It is {i}+{i}={2 * i}.\n#### {2 * i}"}


def pair_row(i: int) -> dict[str, Any]:
    answers = (f"Thank you. It is {i}.", f"No {i}, " + "so " * (1 + i % 3))
    turns = [[{"role": "assistant", "content": text}] for text in answers]
    prompt = [{"role": "user", "content": f"Tell me {i}, " + "please " * (i % 4)}]
    return {"prompt": prompt, "chosen": turns[0], "rejected": turns[1]}


def write_rows(root: Path) -> Path:
    """A data root with rows for the three tasks and preference pairs."""
    for subject in SUBJECTS:
        for split, count in (("dev", 5), ("test", 6)):
            rows = [mmlu_row(subject, i) for i in range(count)]
            write_lines(root / "cais/mmlu" / subject / f"{split}.jsonl", rows)
    truthful = root / "truthfulqa/truthful_qa/multiple_choice/validation.jsonl"
    write_lines(truthful, [truthful_row(i) for i in range(5)])
    for split in ("train", "test"):
        write_lines(root / f"openai/gsm8k/main/{split}.jsonl", [problem_row(i) for i in range(8)])
        write_lines(root / f"preferences/miniature/{split}.jsonl", [pair_row(i) for i in range(7)])
    return root


def write_model(folder: Path, *, positions: int = 1024, stop_at_turn: bool = True) -> Path:
    """A random Gemma-2 of two blocks with a byte-level tokenizer; its window is shorter than the prompts."""
    words = ["The following are multiple choice questions about", "What is human life expectancy"]
    tokenizer = train_tokenizer(words * 3, vocabulary=300)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (PAD, BOS, EOS, END)}
    torch.manual_seed(7)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        query_pre_attn_scalar=8,
        max_position_embeddings=positions,
        sliding_window=32,
        pad_token_id=ids[PAD],
        bos_token_id=ids[BOS],
        eos_token_id=ids[EOS],
    )
    model = Gemma2ForCausalLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    stops = [ids[EOS], ids[END]] if stop_at_turn else [ids[EOS]]
    model.generation_config = GenerationConfig(
        bos_token_id=ids[BOS], eos_token_id=stops, pad_token_id=ids[PAD]
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tokenizer_with(template: str, *, marker_bos: bool = False) -> PreTrainedTokenizerFast:
    """The toy tokenizer with another chat template; optionally with the turn marker as its BOS."""
    tokenizer = train_tokenizer(["user assistant a"], vocabulary=290)
    tokenizer.chat_template = template
    if marker_bos:
        tokenizer.bos_token = "<start_of_turn>"
    return tokenizer


def prepared(model_dir: Path, data_root: Path, sae_dir: Path | None = None) -> PrepareResult:
    """What `prepare` would find."""
    parts = {"model": model_dir, "data": data_root} | ({"sae": sae_dir} if sae_dir else {})
    files = {f"{part}/{name}": sha for part, root in parts.items() for name, sha in digest_tree(root).items()}
    return PrepareResult(
        model_dir=str(model_dir), sae_dir=str(sae_dir or ""), data_root=str(data_root), files=files, facts={}
    )


def toy_profile(**evaluation: Any) -> Profile:
    """The miniature profile cut to a few items; keyword arguments replace keys of its evaluation section."""
    data = load_profile("miniature").resolved()
    data["sae"]["layer"] = 1
    data["evaluation"].update({"batch_size": 4, "loss_batch_size": 3, "share_prefix": False, **evaluation})
    if "tasks" not in evaluation:
        for task in data["evaluation"]["tasks"].values():
            task["limit"] = LIMIT
        data["evaluation"]["tasks"]["gsm8k"]["max_new_tokens"] = 6
        data["evaluation"]["tasks"]["gsm8k"]["num_fewshot"] = 2
    return parse_profile(data, where="a test")


def lm_eval_alone(profile: Profile, inputs: PrepareResult, folder: Path, task: str) -> dict[str, Any]:
    """The same task by lm-eval's own entry point and its own HFLM, which loads the model itself."""
    section = profile.evaluation.tasks[task]
    resolve_task(task, section, Path(inputs.data_root), folder)
    options = {"pretrained": inputs.model_dir, "dtype": "float32", "attn_implementation": "eager"}
    with quiet():
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={**options, "softmax_dtype": "float32"},
            tasks=[task],
            num_fewshot=section.num_fewshot,
            batch_size=profile.evaluation.batch_size,
            device="cpu",
            limit=LIMIT,
            apply_chat_template=True,
            fewshot_as_multiturn=False,
            gen_kwargs={"max_gen_toks": section.max_new_tokens} if section.max_new_tokens else None,
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        )
    assert found is not None
    return dict(found)
