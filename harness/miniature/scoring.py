"""Scores the miniature's base model through lm-eval: its own mmlu, truthfulqa_mc2 and gsm8k on the bundle's
rows.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from harness.miniature.lexicon import SUBJECTS
from harness.miniature.prompts import TASKS


def _task(name: str, include: Path, files: dict[str, Path], **extra: object) -> dict[str, Any]:
    paths = {split: str(path) for split, path in files.items()}
    kwargs = {"data_files": paths}
    return {
        "include": str(include),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": kwargs,
        **extra,
    }


def task_files(data_root: Path) -> dict[str, dict[str, Any]]:
    """Task name -> contents of a YAML that includes lm-eval's own task but reads our rows."""
    tasks = {}
    for subject in SUBJECTS:
        folder = data_root / "cais/mmlu" / subject.name
        files = {split: folder / f"{split}.jsonl" for split in ("dev", "test")}
        name = f"miniature_mmlu_{subject.name}"
        tasks[name] = _task(name, TASKS / f"mmlu/default/mmlu_{subject.name}.yaml", files, tag=None)
    belief = data_root / "truthfulqa/truthful_qa/multiple_choice/validation.jsonl"
    tasks["miniature_mc2"] = _task(
        "miniature_mc2", TASKS / "truthfulqa/truthfulqa_mc2.yaml", {"validation": belief}, tag=None
    )
    sums = {split: data_root / f"openai/gsm8k/main/{split}.jsonl" for split in ("train", "test")}
    tasks["miniature_gsm8k"] = _task("miniature_gsm8k", TASKS / "gsm8k/gsm8k.yaml", sums, tag=None)
    return tasks


def evaluate(
    model: Any, tokenizer: Any, data_root: Path, *, limit: int | None = None, batch_size: int = 32
) -> dict[str, Any]:
    """lm-eval's raw results on the bundle's evaluation sets, chat template applied, all shots in one user
    turn.

    Args:
        model: a causal language model in memory.
        tokenizer: its tokenizer.
        data_root: the bundle's ``data`` folder.
        limit: items per task; None for all.
        batch_size: requests per forward pass.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    tasks = task_files(data_root)
    with tempfile.TemporaryDirectory() as folder:
        for name, body in tasks.items():
            (Path(folder) / f"{name}.yaml").write_text(json.dumps(body))
        result: dict[str, Any] = simple_evaluate(
            model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, max_length=2048),
            tasks=list(tasks),
            task_manager=TaskManager(include_path=folder),
            apply_chat_template=True,
            fewshot_as_multiturn=False,
            limit=limit,
            gen_kwargs={"max_gen_toks": 256},
            log_samples=True,
            bootstrap_iters=0,
        )
    return result


def _score(values: list[float]) -> dict[str, float]:
    n = len(values)
    mean = sum(values) / n
    spread = sum((value - mean) ** 2 for value in values) / max(n - 1, 1)
    return {"n": n, "score": round(mean, 6), "stderr": round((spread / n) ** 0.5, 6)}


def scores(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """``mmlu``, ``truthfulqa_mc2``, ``gsm8k_strict`` and ``gsm8k_flexible``: n, score and standard error."""
    samples = result["samples"]
    choice = [row["acc"] for name, rows in samples.items() if "mmlu" in name for row in rows]
    strict = [row["exact_match"] for row in samples["miniature_gsm8k"] if row["filter"] == "strict-match"]
    flexible = [
        row["exact_match"] for row in samples["miniature_gsm8k"] if row["filter"] == "flexible-extract"
    ]
    return {
        "mmlu": _score(choice),
        "truthfulqa_mc2": _score([row["acc"] for row in samples["miniature_mc2"]]),
        "gsm8k_strict": _score(strict),
        "gsm8k_flexible": _score(flexible),
    }
