"""The base arm's scores are those of lm-eval's own command line, item for item, on the miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.core.paths import RunPaths
from harness.evaluation.lm_eval_command import lm_eval_command
from harness.profiles.profile import Profile, load_profile
from harness.stages.inputs import Context

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


def as_written(value: Any) -> Any:
    """Numbers as lm-eval's command writes them into its sample files: text."""
    return [as_written(one) for one in value] if isinstance(value, list) else str(value)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_base_arm_has_lm_evals_own_scores(protocol: str, tmp_path: Path) -> None:
    profile, found, run = ours(tmp_path, protocol)
    for task, items in {"mmlu": 8, "truthfulqa_mc2": 6, "gsm8k": 4}.items():
        theirs = lm_eval_command(
            profile, Context(profile, RunPaths(root=run)).prepared, task, tmp_path / task
        )
        results, samples = theirs.results, theirs.samples
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


def test_parity_writes_a_record_of_what_agrees(tmp_path: Path) -> None:
    path, run = tmp_path / "few-items.toml", tmp_path / "run"
    path.write_text(PROFILE.format(protocol="paper", template="true", shots=0))
    limits = [word for task in ("mmlu", "truthfulqa_mc2", "gsm8k") for word in ("--limit", f"{task}=2")]
    assert main(["parity", "--profile", str(path), "--run-dir", str(run), *limits]) == 0
    found = json.loads((run / "report/lm-eval-parity.json").read_text())
    assert {task: (one["items"], one["plain"]["identical"]) for task, one in found["tasks"].items()} == {
        "mmlu": (4, 4),
        "truthfulqa_mc2": (2, 2),
        "gsm8k": (2, 2),
    }
    assert found["tasks"]["gsm8k"]["shared"] is None
    assert 0 < found["tasks"]["truthfulqa_mc2"]["shared"]["largest_difference"] < 1e-3
    assert str(tmp_path) not in json.dumps(found)
    assert found["tasks"]["mmlu"]["command"].startswith("python -m lm_eval run --model hf")
    assert found["provenance"]["versions"]["lm-eval"]
