"""lm-eval's own command line on a task of a profile, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import harness
from harness.core.errors import EvaluationError
from harness.core.results import PrepareResult
from harness.evaluation.tasks import resolve_task
from harness.models.base_model import pick_device
from harness.profiles.profile import Profile

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


def lm_eval_command(profile: Profile, prepared: PrepareResult, task: str, folder: Path) -> Theirs:
    """Run `python -m lm_eval run` on a task with the profile's settings, in a process of its own.

    Args:
        folder: empty; for the resolved task files and lm-eval's output.

    Raises:
        EvaluationError: it fails.
    """
    resolved, out = folder / "tasks", folder / "out"
    resolved.mkdir(parents=True)
    resolve_task(task, profile.evaluation.tasks[task], Path(prepared.data_root), resolved)
    words = _lm_eval_words(profile, task, Path(prepared.model_dir), resolved, out)
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
    for place, name in ((prepared.model_dir, "MODEL"), (resolved, "TASKS"), (out, "OUT")):
        said = said.replace(str(place), name)
    results = json.loads(found[0].read_text(encoding="utf-8"))["results"]
    return Theirs([json.loads(line) for line in lines], results, said)


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
