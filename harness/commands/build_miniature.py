"""Builds a miniature's bundle: ``python -m harness.commands.build_miniature [--name NAME] [--out DIR]
[--stage model|sae|score|all] [--seed N]``.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from harness.core.artefact import write_bytes
from harness.core.errors import HarnessError
from harness.core.results import Score
from harness.evaluation.benchmark import run_task
from harness.evaluation.lm import GuardedLM
from harness.miniature.activations import activation_batches, corpus_sae
from harness.miniature.batches import Encoded
from harness.miniature.corpus import Corpus, chat_with_roles
from harness.miniature.dataset import data_files, described, world_file
from harness.miniature.features import RULE, feature_rows, with_roles
from harness.miniature.manifest import BUNDLES, write_manifest
from harness.miniature.pretrain import PHASES, Recipe, pretrain
from harness.miniature.shapes import SHAPES, Shape, new_model
from harness.miniature.tokenizer import SPECIAL_TOKENS, train_tokenizer
from harness.miniature.watch import probes, share_exact
from harness.miniature.world import DEFAULT_SEED, World, make_world
from harness.models.base_model import load_model, load_tokenizer
from harness.models.sae_training import SaeRecipe, collect_activations
from harness.profiles.profile import load_profile
from harness.profiles.sections import EvaluationSection

STAGES = ("model", "sae", "score")
SAE_TOKENS = 600_000
MEASURE_TOKENS = 60_000
LABEL_TOKENS = 150_000
TOKENIZER_DOCUMENTS = 20_000
LOG = "build-log.json"
SCORES = {
    "mmlu": "mmlu.acc",
    "truthfulqa_mc2": "truthfulqa_mc2.acc",
    "gsm8k_strict": "gsm8k.strict-match",
    "gsm8k_flexible": "gsm8k.flexible-extract",
}
"""Names in the manifest, and those of the evaluation."""

JsonObject = dict[str, Any]


def _note(out: Path, name: str, value: JsonObject) -> None:
    path = out / LOG
    log = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**log, name: value}, indent=1, sort_keys=True) + "\n")


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


def build_model(name: str, world: World, out: Path) -> None:
    """``model/``: tokenizer and base model, pre-trained and instruction-tuned; and the world's file."""
    tokenizer = make_tokenizer(world)
    model = new_model(tokenizer, SHAPES[name], world.seed)
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
    write_bytes(out / "world.json", world_file(world))
    phases = [{"name": p.name, "tokens": p.tokens, "mixture": p.mixture} for p in PHASES]
    _note(
        out,
        "pretraining",
        {**facts, "recipe": asdict(Recipe()), "phases": phases, "threads": torch.get_num_threads()},
    )


def load(name: str, out: Path) -> tuple[Any, Any]:
    """The built model as its own profile has it, on the CPU, and its tokenizer."""
    section = load_profile(name).model
    return load_model(out / "model", section, torch.device("cpu")), load_tokenizer(out / "model")


def _labelled_chat(model: Any, tokenizer: Any, world: World, layer: int) -> tuple[Tensor, Tensor, Tensor]:
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
    activations = collect_activations(model, batches, layer)
    kept_ids = torch.cat([batch_ids[keep] for batch_ids, keep in batches])
    kept_roles = torch.cat([torch.as_tensor(roles[i][1:], dtype=torch.long) for i in order])
    return activations, kept_ids, kept_roles


def _sae_recipe(shape: Shape) -> SaeRecipe:
    return SaeRecipe(d_sae=shape.d_sae, k=10, lr=3e-3, batch=1024, dead_after=50)


def build_sae(name: str, world: World, out: Path) -> None:
    """``sae/`` and ``features.jsonl``."""
    model, tokenizer = load(name, out)
    shape = SHAPES[name]
    started = time.monotonic()
    sae, facts = corpus_sae(
        model,
        tokenizer,
        world,
        shape.layer,
        _sae_recipe(shape),
        out / "sae",
        tokens=SAE_TOKENS,
        measured=MEASURE_TOKENS,
    )
    rows = feature_rows(sae, *_labelled_chat(model, tokenizer, world, shape.layer), tokenizer)
    (out / "features.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = {label: sum(row["label"] == label for row in rows) for label in ("style", "alignment", "other")}
    facts |= {"architecture": sae.cfg.architecture(), "labels": labels, "label_rule": RULE}
    _note(out, "sae", {**facts, "wall_s": round(time.monotonic() - started, 1)})


def build_scores(name: str, world: World, out: Path) -> None:
    """Score the base model on the world's rows as its own profile scores an arm."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for path, body in data_files(world).items():
            write_bytes(Path(folder) / path, body)
        found = base_scores(*load(name, out), Path(folder).resolve(), load_profile(name).evaluation)
    _note(out, "base_scores", {**found, "wall_s": round(time.monotonic() - started, 1), "dtype": "float32"})


def base_scores(
    model: Any, tokenizer: Any, data_root: Path, section: EvaluationSection
) -> dict[str, dict[str, float]]:
    """Number of items, score and lm-eval's own standard error, by the manifest's name of the score."""
    lm = GuardedLM(
        model,
        tokenizer,
        batch_size=section.batch_size,
        chat_template=section.chat_template,
        share_prefix=section.share_prefix,
    )
    found: dict[str, Score] = {}
    for task, limits in section.tasks.items():
        with tempfile.TemporaryDirectory() as folder:
            found |= run_task(task, limits, section, lm, data_root, Path(folder).resolve()).scores
    return {
        name: {"n": found[key].n, "score": round(found[key].value, 6), "stderr": round(found[key].stderr, 6)}
        for name, key in SCORES.items()
    }


def finish(name: str, world: World, out: Path) -> None:
    """Turn the build log into the manifest."""
    log = json.loads((out / LOG).read_text())
    (out / LOG).unlink()
    model, _ = load(name, out)
    packages = ("torch", "transformers", "tokenizers", "sae-lens", "lm-eval", "numpy", "safetensors")
    facts = {
        "seed": world.seed,
        "parameters": {
            "model": sum(p.numel() for p in model.parameters()),
            "d_model": model.config.hidden_size,
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "drawn": described(data_files(world)),
        **log,
    }
    write_manifest(out, facts)


def build(name: str, out: Path, seed: int, stages: tuple[str, ...]) -> None:
    """Run the stages in order; all of them end with a new manifest."""
    world = make_world(seed)
    out.mkdir(parents=True, exist_ok=True)
    makers = {"model": build_model, "sae": build_sae, "score": build_scores}
    for stage in stages:
        print(f"building {name}, {stage} (seed {seed}) in {out}", file=sys.stderr, flush=True)
        makers[stage](name, world, out)
    if stages[-1] == STAGES[-1]:
        finish(name, world, out)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.commands.build_miniature", description=__doc__)
    parser.add_argument("--name", choices=SHAPES, default="miniature", help="which of the miniatures")
    parser.add_argument("--out", type=Path, help="folder of the bundle (default: the committed one)")
    parser.add_argument(
        "--stage",
        choices=(*STAGES, "all"),
        default="all",
        help="one stage, or all (default); the last one writes the manifest",
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, help="of the world, the weights and the order"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch; the weights depend on it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        stages = STAGES if options.stage == "all" else (options.stage,)
        build(options.name, options.out or BUNDLES[options.name], options.seed, stages)
    except HarnessError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
