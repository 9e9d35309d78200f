"""lm-eval's own command line on a task of a profile, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import harness
from harness.core.errors import EvaluationError
from harness.core.results import PrepareResult
from harness.evaluation.tasks import resolve_task
from harness.models.base_model import pick_device
from harness.profiles.profile import Profile

if TYPE_CHECKING:
    from torch import Tensor

Json = dict[str, Any]


class Theirs(NamedTuple):
    """What lm-eval's command gave for a task.

    Attributes:
        samples, results: as in its output files.
        command: without this machine's folders.
    """

    samples: list[Json]
    results: Json
    command: str


class Added(NamedTuple):
    """A vector that lm-eval's `steered` model adds to the output of a block, at every position.

    Attributes:
        layer: the block.
        vector_D: what is added, whole: lm-eval rounds it to the model's dtype before its coefficient, so that
            under bfloat16 a vector and a coefficient of its own would give another edit.
    """

    layer: int
    vector_D: Tensor


def lm_eval_command(
    profile: Profile, prepared: PrepareResult, task: str, folder: Path, added: Added | None = None
) -> Theirs:
    """Run `python -m lm_eval run` on a task with the profile's settings, in a process of its own.

    Args:
        folder: empty; for the resolved task files and lm-eval's output.
        added: run lm-eval's `steered` model with this vector instead of the base model.

    Raises:
        EvaluationError: it fails.
    """
    resolved, out = folder / "tasks", folder / "out"
    resolved.mkdir(parents=True)
    resolve_task(task, profile.evaluation.tasks[task], Path(prepared.data_root), resolved)
    words = _lm_eval_words(profile, task, Path(prepared.model_dir), resolved, out)
    if added is not None:
        words = _steered(words, _written(added, folder / "steer.pt"))
    here = Path(harness.__file__).parents[1]  # it reads the rows through this package
    search = [str(here), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(search),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    found = sorted(out.rglob("results_*.json"))
    if done.returncode or len(found) != 1:
        raise EvaluationError(
            f"lm-eval's own command failed on {task} (exit code {done.returncode})",
            value=done.stderr.strip()[-500:],
            remedy="see its last lines above",
        )
    files = sorted(out.rglob("samples_*.jsonl"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").split("\n") if line]
    said = " ".join(["python", *words])
    places = ((prepared.model_dir, "MODEL"), (resolved, "TASKS"), (out, "OUT"), (folder, "FOLDER"))
    for place, name in places:
        said = said.replace(str(place), name)
    results = json.loads(found[0].read_text(encoding="utf-8"))["results"]
    return Theirs([json.loads(line) for line in lines], results, said)


def _written(added: Added, path: Path) -> Path:
    """The vector as lm-eval reads it: a pickle, so that only one that was just written is ever read."""
    import torch

    edit = {"steering_vector": added.vector_D, "steering_coefficient": 1.0, "action": "add"}
    edit |= {"bias": None, "head_index": None}
    torch.save({f"layers.{added.layer}": edit}, path)
    return path


def _steered(words: list[str], path: Path) -> list[str]:
    """The command's words for the `steered` model."""
    model, settings = words.index("--model") + 1, words.index("--model_args") + 1
    words[model], words[settings] = "steered", f"{words[settings]},steer_path={path}"
    return words


def _lm_eval_words(profile: Profile, task: str, model: Path, tasks: Path, out: Path) -> list[str]:
    evaluation, section = profile.evaluation, profile.evaluation.tasks[task]
    settings = {
        "pretrained": model,
        "dtype": profile.model.dtype,
        "attn_implementation": profile.model.attention,
        "softmax_dtype": "float32",
        "add_bos_token": True,
    }
    options: dict[str, object] = {
        "--model": "hf",
        "--model_args": ",".join(f"{name}={value}" for name, value in settings.items()),
        "--tasks": task,
        "--include_path": tasks,
        "--num_fewshot": section.num_fewshot,
        "--batch_size": evaluation.batch_size,
        "--limit": section.limit,
        "--seed": evaluation.seed,
        "--device": pick_device().type,
        "--output_path": out,
        "--fewshot_as_multiturn": str(evaluation.fewshot_as_multiturn).lower(),
    }
    if section.max_new_tokens:
        options["--gen_kwargs"] = f"max_gen_toks={section.max_new_tokens}"
    flags = ["--log_samples", *(["--apply_chat_template"] if evaluation.chat_template else [])]
    return ["-m", "lm_eval", "run", *(str(word) for pair in options.items() for word in pair), *flags]
