"""A tiny Gemma-2 with a tokenizer and preference pairs, as files, for the tests of training."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedTokenizerFast

from harness.core.artefact import Artefact, digest_file, digest_tree, read_artefact, write_artefact
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.training.exchange import TrainSpec
from harness.training.pairs import PairBatch

SPECIAL = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"]
LETTERS = [*map(chr, range(32, 127)), "\n"]
# Like Gemma's, and a system turn goes in front of the first user turn, as SimPO's official template has it.
GEMMA = (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m['role'] == 'system' %}{% set ns.system = m['content'] | trim + '\n\n' %}{% else %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' "
    "+ (ns.system if m['role'] == 'user' else '') + m['content'] | trim + '<end_of_turn>\n' }}"
    "{% if m['role'] == 'user' %}{% set ns.system = '' %}{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer(template: str = GEMMA, special: Sequence[str] = SPECIAL) -> PreTrainedTokenizerFast:
    """One token a character, and the special ones; ids follow the order of the lists."""
    names = [*special, *LETTERS]
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token=special[0]))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    core.add_special_tokens(list(special))
    roles = {"pad_token": special[0], "eos_token": special[1], "bos_token": special[2]}
    return PreTrainedTokenizerFast(tokenizer_object=core, chat_template=template, **roles)


def model(seed: int = 0, **changes: Any) -> Gemma2ForCausalLM:
    """A random Gemma-2 of two blocks with soft-caps, a sliding window and grouped queries; float32."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": len(SPECIAL) + len(LETTERS),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 8,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "attn_implementation": "eager",
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    return Gemma2ForCausalLM(Gemma2Config(**settings | changes)).eval()


def mean_response_logprobs(logits_BxTxV: Tensor, batch: PairBatch) -> Tensor:
    """What `response_logprobs` computes, from whole logits: its plain form."""
    labels_BxT = batch.input_ids_BxT[:, 1:, None]
    logprobs_BxT = logits_BxTxV[:, :-1].float().log_softmax(-1).gather(-1, labels_BxT).squeeze(-1)
    counted_BxT = batch.response_mask_BxT[:, 1:]
    return (logprobs_BxT * counted_BxT).sum(-1) / counted_BxT.sum(-1)


def row(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    """A preference row with one user turn."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def rows(count: int) -> list[dict[str, Any]]:
    """Rows of different lengths."""
    return [row(f"Say {'na' * (i % 4)}!", "yes " * (1 + i % 3), "no " * (1 + i % 2)) for i in range(count)]


def write_rows(path: Path, data: Sequence[object]) -> Path:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in data), encoding="utf-8")
    return path


def profile(**training: Any) -> Profile:
    """A profile for the tiny model; `key=` changes the table training, `table__key=` another."""
    data = load_profile("miniature").resolved()
    small = {
        "pairs_per_device": 2,
        "accumulation": 2,
        "epochs": 1,
        "minimum_moved": 0.5,
        "warmup_ratio": 0.25,
    }
    data["training"] |= small
    data["data"] |= {"train": "train.jsonl", "test": "train.jsonl", "train_pairs": 8, "max_length": 96}
    data["data"]["max_prompt_length"] = 64
    data["arms"]["full-simpo"]["learning_rate"] = 1e-3
    for key, value in training.items():
        table, _, name = key.rpartition("__")
        data[table or "training"][name] = value
    return parse_profile(data, where="the tests")


def prepared_run(root: Path, used: Profile, *, pairs: int = 8) -> RunPaths:
    """A run folder in which `prepare` has run for the tiny model."""
    folder = root / "inputs"
    model().save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    files = {f"model/{name}": sha for name, sha in digest_tree(folder / "model").items()}
    for name in (used.data.train, used.data.test):
        files[f"data/{name}"] = digest_file(write_rows(folder / "data" / name, rows(pairs)))
    result = PrepareResult(
        model_dir=str(folder / "model"),
        sae_dir=str(folder / "sae"),
        data_root=str(folder / "data"),
        files=files,
        facts={},
    )
    paths = RunPaths.of(used.name, root / "run", None)
    artefact = Artefact(
        stage="prepare",
        key="0",
        profile=used.resolved(),
        inputs={},
        outputs={},
        provenance={},
        wall_s=0.0,
        result=result.model_dump(mode="json"),
    )
    write_artefact(paths.stage("prepare"), artefact)
    return paths


def order(
    paths: RunPaths, used: Profile, *, engine: dict[str, Any] | None, arm: str = "full-simpo"
) -> TrainSpec:
    """The order to train an arm of a prepared run."""
    prepared = PrepareResult.model_validate(read_artefact(paths.stage("prepare"), made_by="a test").result)
    folder = paths.folder(arm) / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return TrainSpec(
        profile=used.resolved(),
        arm=arm,
        model_dir=prepared.model_dir,
        sae_dir=prepared.sae_dir,
        model_digest=prepared.digest("model"),
        sae_digest=prepared.digest("sae"),
        train_file=str(Path(prepared.data_root) / used.data.train),
        folder=str(folder),
        checkpoints=str(folder / "checkpoints"),
        engine=engine,
        threads=1,
        started=time.monotonic(),
        parent=os.getpid(),
    )
