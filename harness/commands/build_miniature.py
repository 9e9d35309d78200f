"""Builds the miniature's bundle: ``python -m harness.commands.build_miniature [--out DIR] [--stage
data|model|sae|score|all] [--seed N]``.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from harness.core.errors import HarnessError
from harness.miniature.activations import activation_batches, corpus_sae
from harness.miniature.batches import Encoded
from harness.miniature.corpus import Corpus, chat_with_roles
from harness.miniature.dataset import write_data
from harness.miniature.features import RULE, feature_rows, with_roles
from harness.miniature.manifest import BUNDLE, write_manifest
from harness.miniature.pretrain import PHASES, Recipe, new_model, pretrain
from harness.miniature.scoring import evaluate, scores
from harness.miniature.tokenizer import SPECIAL_TOKENS, train_tokenizer
from harness.miniature.watch import probes, share_exact
from harness.miniature.world import DEFAULT_SEED, World, make_world
from harness.models.sae_training import SaeRecipe, collect_activations

STAGES = ("data", "model", "sae", "score")
SAE_LAYER = 3
SAE_RECIPE = SaeRecipe(d_sae=1024, k=10, lr=3e-3, batch=1024, dead_after=50)
SAE_TOKENS = 600_000
MEASURE_TOKENS = 60_000
LABEL_TOKENS = 150_000
TOKENIZER_DOCUMENTS = 20_000
LOG = "build-log.json"

JsonObject = dict[str, Any]


def _note(out: Path, name: str, value: JsonObject) -> None:
    path = out / LOG
    log = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**log, name: value}, indent=1, sort_keys=True) + "\n")


def build_data(world: World, out: Path) -> None:
    """``data/`` and ``world.json``."""
    write_data(world, out)


def make_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """A tokenizer trained on documents of every kind."""
    corpus = Corpus(world, f"{world.seed}/tokenizer")
    mixture = dict.fromkeys(corpus.makers, 1.0)

    def texts() -> Iterator[str]:
        for _ in range(TOKENIZER_DOCUMENTS):
            text = corpus.draw(mixture).text
            for token in SPECIAL_TOKENS:
                text = text.replace(token, "")
            yield text

    return train_tokenizer(texts())


def build_model(world: World, out: Path) -> None:
    """``model/``: tokenizer and base model, pre-trained and instruction-tuned."""
    tokenizer = make_tokenizer(world)
    model = new_model(tokenizer, world.seed)
    documents = probes(world)

    def watch(tokens: int, loss: float) -> None:
        found = {name: round(share_exact(model, tokenizer, docs), 3) for name, docs in documents.items()}
        print(
            f"{time.strftime('%H:%M:%S')} {tokens:,} tokens, loss {loss:.3f}, exact {found}",
            file=sys.stderr,
            flush=True,
        )

    facts = pretrain(model, tokenizer, Corpus(world, f"{world.seed}/train"), Recipe(), PHASES, watch)
    model.to(torch.bfloat16).save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    phases = [{"name": p.name, "tokens": p.tokens, "mixture": p.mixture} for p in PHASES]
    _note(
        out,
        "pretraining",
        {**facts, "recipe": asdict(Recipe()), "phases": phases, "threads": torch.get_num_threads()},
    )


def load(out: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """The committed model in float32 with eager attention, and its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(
        out / "model", dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval(), AutoTokenizer.from_pretrained(out / "model")


def _labelled_chat(model: Any, tokenizer: Any, world: World) -> tuple[Tensor, Tensor, Tensor]:
    """activations_NxD, ids_N and roles_N of generated chat turns, without ``<bos>``."""
    corpus = Corpus(world, f"{world.seed}/features")
    ids: list[list[int]] = []
    roles: list[list[int]] = []
    while sum(map(len, ids)) < LABEL_TOKENS:
        _, request, answer = corpus.chat_spans()
        row = with_roles(tokenizer, chat_with_roles(request.text, answer))
        ids.append(row.ids)
        roles.append(row.roles)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    documents = [Encoded(np.asarray(ids[i]), np.asarray(roles[i], dtype=np.float32)) for i in order]
    batches = activation_batches(documents, tokenizer.pad_token_id)
    activations = collect_activations(model, batches, SAE_LAYER)
    kept_ids = torch.cat([batch_ids[keep] for batch_ids, keep in batches])
    kept_roles = torch.cat([torch.as_tensor(roles[i][1:], dtype=torch.long) for i in order])
    return activations, kept_ids, kept_roles


def build_sae(world: World, out: Path) -> None:
    """``sae/`` and ``features.jsonl``."""
    model, tokenizer = load(out)
    started = time.monotonic()
    sae, facts = corpus_sae(
        model,
        tokenizer,
        world,
        SAE_LAYER,
        SAE_RECIPE,
        out / "sae",
        tokens=SAE_TOKENS,
        measured=MEASURE_TOKENS,
    )
    rows = feature_rows(sae, *_labelled_chat(model, tokenizer, world), tokenizer)
    (out / "features.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = {label: sum(row["label"] == label for row in rows) for label in ("style", "alignment", "other")}
    facts |= {"architecture": sae.cfg.architecture(), "labels": labels, "label_rule": RULE}
    _note(out, "sae", {**facts, "wall_s": round(time.monotonic() - started, 1)})


def build_scores(world: World, out: Path) -> None:
    """Score the base model through lm-eval."""
    del world
    model, tokenizer = load(out)
    started = time.monotonic()
    found = scores(evaluate(model, tokenizer, out / "data"))
    _note(out, "base_scores", {**found, "wall_s": round(time.monotonic() - started, 1), "dtype": "float32"})


def finish(world: World, out: Path) -> None:
    """Turn the build log into the manifest."""
    log = json.loads((out / LOG).read_text())
    (out / LOG).unlink()
    model, _ = load(out)
    packages = ("torch", "transformers", "tokenizers", "sae-lens", "lm-eval", "numpy", "safetensors")
    facts = {
        "seed": world.seed,
        "parameters": {
            "model": sum(p.numel() for p in model.parameters()),
            "d_model": model.config.hidden_size,
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        **log,
    }
    write_manifest(out, facts)


def build(out: Path, seed: int, stages: tuple[str, ...]) -> None:
    """Run the stages in order; all of them end with a new manifest."""
    world = make_world(seed)
    out.mkdir(parents=True, exist_ok=True)
    makers = {"data": build_data, "model": build_model, "sae": build_sae, "score": build_scores}
    for stage in stages:
        print(f"building {stage} (seed {seed}) in {out}", file=sys.stderr, flush=True)
        makers[stage](world, out)
    if stages == STAGES:
        finish(world, out)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.commands.build_miniature", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUNDLE, help="folder of the bundle (default: the committed one)"
    )
    parser.add_argument(
        "--stage", choices=(*STAGES, "all"), default="all", help="one stage, or all and the manifest"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, help="of the world, the weights and the order"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch; the weights depend on it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        build(options.out, options.seed, STAGES if options.stage == "all" else (options.stage,))
    except HarnessError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
