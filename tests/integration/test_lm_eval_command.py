"""The base arm's scores are those of lm-eval's own command line, item for item, on the miniature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.evaluation.tasks import resolve_task
from harness.profile import Profile, load_profile

pytestmark = pytest.mark.slow

PROFILE = """
extends = "miniature"
without = ["arms.full-simpo", "arms.fsrl"]
name = "few-items"
[data]
test_pairs = 8
[evaluation]
protocol = "{protocol}"
chat_template = {template}
share_prefix = false
batch_size = 8
[evaluation.tasks.mmlu]
subjects = ["astronomy", "prehistory"]
num_fewshot = {shots}
limit = 4
[evaluation.tasks.truthfulqa_mc2]
limit = 6
[evaluation.tasks.gsm8k]
limit = 4
max_new_tokens = 96
"""
PUBLISHED = """
[published."mmlu.acc"]
value = 0.75
source = "a test"
"""
PROTOCOLS = {"paper": ("true", 0), "leaderboard": ("false", 5)}


def ours(folder: Path, protocol: str) -> tuple[Profile, dict[str, Any], Path]:
    """The harness' own command: its profile, the artefact of the evaluation, the run folder."""
    template, shots = PROTOCOLS[protocol]
    path, run = folder / "few-items.toml", folder / "run"
    path.write_text(PROFILE.format(protocol=protocol, template=template, shots=shots) + PUBLISHED)
    for stage in ("prepare", "train", "evaluate"):
        assert main([stage, "--profile", str(path), "--run-dir", str(run)]) == 0
    artefact = json.loads((run / "base/evaluate.json").read_text())
    return load_profile(str(path)), artefact["result"], run


def theirs(
    profile: Profile, run: Path, task: str, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`python -m lm_eval run`: its results and its samples."""
    evaluation = profile.evaluation
    section = evaluation.tasks[task]
    resolved = folder / "tasks"
    resolved.mkdir(parents=True)
    resolve_task(task, section, run / "assets/data", resolved)
    model = f"pretrained={run / 'assets/model'},dtype=float32,attn_implementation=eager,softmax_dtype=float32"
    options = {
        "--model": "hf",
        "--model_args": model,
        "--tasks": task,
        "--include_path": str(resolved),
        "--num_fewshot": str(section.num_fewshot),
        "--batch_size": str(evaluation.batch_size),
        "--limit": str(section.limit),
        "--seed": str(evaluation.seed),
        "--device": "cpu",
        "--output_path": str(folder / "out"),
        "--fewshot_as_multiturn": "false",
    }
    if section.max_new_tokens:
        options["--gen_kwargs"] = f"max_gen_toks={section.max_new_tokens}"
    flags = ["--log_samples", *(["--apply_chat_template"] if evaluation.chat_template else [])]
    command = [sys.executable, "-m", "lm_eval", "run", *(word for pair in options.items() for word in pair)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [*command, *flags], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = (folder / "out").rglob("results_*.json")
    lines = [
        line for path in (folder / "out").rglob("samples_*.jsonl") for line in path.read_text().splitlines()
    ]
    return json.loads(results.read_text())["results"], [json.loads(line) for line in lines]


def as_written(value: Any) -> Any:
    """Numbers as lm-eval's command writes them into its sample files: text."""
    return [as_written(one) for one in value] if isinstance(value, list) else str(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_base_arm_has_lm_evals_own_scores(protocol: str, tmp_path: Path) -> None:
    profile, found, run = ours(tmp_path, protocol)
    for task, items in {"mmlu": 8, "truthfulqa_mc2": 6, "gsm8k": 4}.items():
        results, samples = theirs(profile, run, task, tmp_path / task)
        rows = [json.loads(line) for line in (run / f"base/samples/{task}.jsonl").read_text().splitlines()]
        assert len(rows) == items
        own = {
            (row["doc_hash"], row["prompt_hash"], name): as_written(given)
            for row in rows
            for name, given in row["responses"].items()
        }
        assert own == {
            (one["doc_hash"], one["prompt_hash"], one["filter"]): one["filtered_resps"] for one in samples
        }
        assert len({row["doc_hash"] for row in rows}) == items
        metric = {"gsm8k": "exact_match,strict-match"}.get(task, "acc,none")
        score = found["scores"][f"{task}.{'strict-match' if task == 'gsm8k' else 'acc'}"]
        assert (score["value"], score["n"]) == (results[task][metric], items)
        assert score["stderr"] == pytest.approx(results[task][metric.replace(",", "_stderr,")])
    check_alone(tmp_path)
    facts = found["requests"]
    assert {task: (one["bos_min"], one["bos_max"]) for task, one in facts.items()} == dict.fromkeys(
        facts, (1, 1)
    )
    assert ("<start_of_turn>" in facts["mmlu"]["first_prompt"]) == (protocol == "paper")


def check_alone(folder: Path) -> None:
    """A run of the base arm alone is analysed, reported and held against published scores."""
    for stage in ("analyse", "report", "check"):
        assert (
            main([stage, "--profile", str(folder / "few-items.toml"), "--run-dir", str(folder / "run")]) == 0
        )
    (one,) = json.loads((folder / "run/check.json").read_text())["result"]["published"]
    assert (one["measure"], one["published"], one["source"]) == ("mmlu.acc", 0.75, "a test")
    assert one["agrees"] == (abs(one["found"]["value"] - 0.75) <= 1.96 * one["found"]["stderr"])
