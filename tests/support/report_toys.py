"""A run made by hand: three arms, few items, numbers that can be worked out on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core.artefact import Artefact, digest_file, write_artefact
from harness.core.paths import RunPaths
from harness.core.results import (
    EvaluateResult,
    PreferenceScores,
    PrepareResult,
    Record,
    RequestFacts,
    Score,
    TrainResult,
    Truncation,
    Usage,
    WeightsMoved,
)
from harness.findings.outcome import Outcome
from harness.profiles.profile import Profile
from harness.stages.gather import gather
from harness.stages.inputs import Context
from harness.stages.stage import run_stage

LOSSES = {
    "base": [6.0, 5.0, 7.0, 6.5, 5.5, 6.0, 6.2, 5.8, 6.4, 5.6],
    "full-simpo": [4.0, 3.5, 4.5, 4.0, 4.1, 3.9, 4.0, 4.0, 4.2, 3.8],
    "fsrl": [5.0, 4.5, 5.5, 5.0, 5.1, 4.9, 5.0, 5.0, 5.2, 4.8],
}
PENALTY = {"base": 0.0, "full-simpo": 0.0, "fsrl": 0.25}
# MMLU: 20 items. base 10 right; full-simpo the same 10 and 8 more; fsrl the same 10 and 2 more.
MMLU = {"base": 10, "full-simpo": 18, "fsrl": 12}
MC2 = {"base": 0.40, "full-simpo": 0.55, "fsrl": 0.45}
GSM8K = {"base": 12, "full-simpo": 4, "fsrl": 11}
ITEMS = 20
NASTY = "<script>document.title='owned'</script> & \"quoted\" </style>"
HARDWARE = {"class": "cpu-x86_64-2c", "device": "Test CPU", "cores": 2, "memory_gib": 8.0, "driver": None}
PROVENANCE: dict[str, Any] = {
    "harness": "0.1.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "versions": {"torch": "2.13.0", "lm-eval": "0.4.13"},
    "python": "3.11.9",
    "platform": "Linux-x86_64",
    "hardware": HARDWARE,
    "seed": 42,
    "lock_sha256": None,
}


def usage(trainable: int, wall_s: float) -> Usage:
    """600 tokens a minute at 60 seconds."""
    return Usage(
        trainable_parameters=trainable,
        total_parameters=3_000_000,
        tokens=6000,
        wall_s=wall_s,
        startup_s=6.0,
        peak_allocated_gib=None,
        peak_reserved_gib=None,
        peak_rss_gib=1.25,
    )


def score(values: list[float]) -> Score:
    n = len(values)
    mean = sum(values) / n
    spread = sum((value - mean) ** 2 for value in values) / (n - 1)
    return Score(value=mean, stderr=(spread / n) ** 0.5, n=n)


def ones(count: int) -> list[float]:
    return [1.0] * count + [0.0] * (ITEMS - count)


def items(arm: str) -> dict[str, dict[str, list[float]]]:
    """Values by file and metric."""
    return {
        "preference": {
            "loss": LOSSES[arm],
            "penalised_loss": [loss + PENALTY[arm] for loss in LOSSES[arm]],
            "chosen_reward": [-loss for loss in LOSSES[arm]],
            "rejected_reward": [-5.0] * len(LOSSES[arm]),
        },
        "mmlu": {"acc": ones(MMLU[arm])},
        "truthfulqa_mc2": {"acc": [MC2[arm] + 0.01 * (i % 3) for i in range(ITEMS)]},
        "gsm8k": {"strict-match": ones(GSM8K[arm]), "flexible-extract": ones(GSM8K[arm])},
    }


def requests(task: str) -> RequestFacts:
    return RequestFacts(
        requests=ITEMS,
        bos_min=1,
        bos_max=1,
        first_prompt=f"first prompt of {task}",
        first_prompt_sha256="a" * 64,
        prompts_sha256="b" * 64,
        longest_tokens=100,
        truncated=0,
        stop_ids=(1, 107) if task == "gsm8k" else (),
    )


def evaluated(arm: str) -> EvaluateResult:
    found = {
        f"{task}.{name}": score(v)
        for task, by in items(arm).items()
        for name, v in by.items()
        if not name.endswith("_reward")
    }
    loss, penalised = found.pop("preference.loss"), found.pop("preference.penalised_loss")
    return EvaluateResult(
        preference=PreferenceScores(
            loss=loss,
            penalised_loss=penalised,
            accuracy=Score(value=0.5, stderr=0.1, n=10),
            chosen_reward=Score(value=-10.0, stderr=0.1, n=10),
            rejected_reward=Score(value=-11.0, stderr=0.1, n=10),
            mean_l0=12.5 if arm == "fsrl" else None,
            mean_l1=0.5 if arm == "fsrl" else None,
            truncation=Truncation(pairs=10, truncated_prompts=0, truncated_responses=0),
        ),
        scores={**found, "mmlu.history.acc": found["mmlu.acc"]},
        requests={task: requests(task) for task in ("mmlu", "truthfulqa_mc2", "gsm8k")},
        wall_s={"preference": 1.0},
        usage=usage(0, 30.0),
        chat_template_sha256="c" * 64,
        lm_eval={},
    )


def trained(arm: str) -> TrainResult:
    if arm == "base":
        return TrainResult(trained=False)
    return TrainResult(
        trained=True,
        steps=3,
        epochs=2,
        pairs=10,
        loss_trace=(6.0, 5.0, LOSSES[arm][0]),
        learning_rate_trace=(0.0, 2e-5, 1e-5),
        max_grad_norm=1.0,
        truncation=Truncation(pairs=10, truncated_prompts=0, truncated_responses=0),
        moved=WeightsMoved(entries=100, fraction_changed=0.99, mean_absolute_change=1e-5),
        usage=usage(3_000_000 if arm == "full-simpo" else 200_000, 120.0 if arm == "full-simpo" else 60.0),
    )


PREPARED = PrepareResult(
    model_dir="model",
    sae_dir="sae",
    data_root="data",
    files={},
    facts={"sae": {"explained_variance": 0.75, "mean_l0": 9.5, "dead_fraction": 0.125, "tokens": 1000}},
)


def texts(arm: str, task: str, i: int) -> dict[str, Any]:
    """What a sample log holds for people; of MMLU item 5 the base prefers option B at odds of 3 to 1."""
    asked: dict[str, Any] = {"question": f"{NASTY} number {i} of {task}?"}
    if task == "gsm8k":
        return asked | {"target": f"#### {i}", "generated": f"{arm} says {i}"}
    if task == "preference":
        return asked | {"options": [f"good {i}", f"bad {i}"], "correct": [0]}
    choices = ["one", "two", "three", "four"]
    values = [[0.0, False], [1.0986122886681098, True], [-100.0, False], [-100.0, False]]
    return asked | {"options": choices, "correct": [i % 4], "responses": {"none": values}}


class Run:
    """A run folder whose `train` and `evaluate` are finished, by hand."""

    def __init__(self, profile: Profile, root: Path) -> None:
        self.profile = profile
        self.paths = RunPaths(root=root)
        self.put("prepare", None, PREPARED, [])
        for arm in profile.arms:
            self.put("train", arm, trained(arm), [])
            self.put("evaluate", arm, evaluated(arm), self.write_samples(arm))

    def put(self, stage: str, arm: str | None, result: Record, files: list[Path], **provenance: Any) -> None:
        artefact = Artefact(
            stage=stage,
            arm=arm,
            key=f"{stage} {arm}",
            profile=self.profile.resolved(),
            inputs={},
            outputs={path.relative_to(self.paths.root).as_posix(): digest_file(path) for path in files},
            provenance={**PROVENANCE, **provenance},
            wall_s=1.0,
            result=result.model_dump(mode="json"),
        )
        write_artefact(self.paths.stage(stage, arm), artefact)

    def sign(self, arm: str) -> None:
        """Make the evaluation name its logs as they are now."""
        self.put("evaluate", arm, evaluated(arm), sorted(self.paths.samples(arm).iterdir()))

    def write_samples(self, arm: str) -> list[Path]:
        files = []
        for task, by_metric in items(arm).items():
            path = self.paths.samples(arm) / f"{task}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            count = len(next(iter(by_metric.values())))
            rows = [
                {
                    "task": task,
                    "doc_id": i,
                    "metrics": {name: v[i] for name, v in by_metric.items()},
                    **texts(arm, task, i),
                }
                for i in range(count)
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            files.append(path)
        return files

    def analysed(self) -> Run:
        run_stage("analyse", self.profile, self.paths)
        return self

    def outcome(self) -> Outcome:
        return gather(Context(self.profile, self.paths))


def at(profile: Profile, root: Path) -> Run:
    """A run whose folder is there already."""
    run = Run.__new__(Run)
    run.profile, run.paths = profile, RunPaths(root=root)
    return run
