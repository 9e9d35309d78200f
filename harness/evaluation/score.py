"""Scoring an arm, one code path for all: from base model and arm's weights to scores and sample logs."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.arms import load_arm, scene
from harness.contract import EvaluateResult, PrepareResult
from harness.evaluation.benchmark import TaskOutcome, quiet, run_task
from harness.evaluation.lm import GuardedLM
from harness.evaluation.preference import PreferenceOutcome, score_pairs
from harness.evaluation.samples import sample_rows, write_rows
from harness.meter import Meter
from harness.model import load_model, load_tokenizer, pad_id, pick_device
from harness.preference.data import read_pairs, tokenise_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.contract import Arm
    from harness.paths import RunPaths
    from harness.profile import Profile


class Ready(NamedTuple):
    """An arm in memory, ready to be scored."""

    arm: Arm
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Scored(NamedTuple):
    """What was found and the sample logs that were written."""

    result: EvaluateResult
    files: list[Path]


def evaluate_arm(profile: Profile, paths: RunPaths, name: str, prepared: PrepareResult) -> Scored:
    """Load an arm as trained and score it on the test pairs and on every task of the profile.

    Raises:
        HarnessError: inputs that are missing or damaged, or an evaluation that cannot be believed.
    """
    started = time.perf_counter()
    with quiet():
        ready = load_ready(profile, paths, name, prepared)
        lm = guarded(profile, ready)
    startup_s = time.perf_counter() - started
    wall_s: dict[str, float] = {}
    outcomes: dict[str, TaskOutcome] = {}
    with Meter() as meter:
        with _timed(wall_s, "preference"):
            preference = score_preferences(profile, prepared, ready)
        for task in profile.evaluation.tasks:
            with _timed(wall_s, task):
                outcomes[task] = score_task(profile, prepared, lm, task)
    usage = meter.usage(
        trainable_parameters=0,
        total_parameters=sum(parameter.numel() for parameter in ready.model.parameters()),
        tokens=preference.tokens + lm.tokens,
        startup_s=startup_s,
    )
    result = EvaluateResult(
        preference=preference.scores,
        scores={key: score for outcome in outcomes.values() for key, score in outcome.scores.items()},
        requests={task: outcome.requests for task, outcome in outcomes.items()},
        wall_s=wall_s,
        usage=usage,
        chat_template_sha256=hashlib.sha256(str(ready.tokenizer.chat_template).encode()).hexdigest(),
        lm_eval={task: outcome.results for task, outcome in outcomes.items()},
    )
    return Scored(result, write_samples(paths.samples(name), preference, outcomes))


def load_ready(profile: Profile, paths: RunPaths, name: str, prepared: PrepareResult) -> Ready:
    """A fresh base model turned into the arm as trained."""
    model_dir = Path(prepared.model_dir)
    model = load_model(model_dir, profile.model, pick_device())
    arm = load_arm(profile, name, scene(profile, prepared))
    arm.load(model, paths.weights(name))
    return Ready(arm, model.eval(), load_tokenizer(model_dir))


def guarded(profile: Profile, ready: Ready) -> GuardedLM:
    """The arm as lm-eval sees it."""
    section = profile.evaluation
    return GuardedLM(
        ready.model,
        ready.tokenizer,
        batch_size=section.batch_size,
        chat_template=section.chat_template,
        share_prefix=section.share_prefix,
    )


def score_preferences(profile: Profile, prepared: PrepareResult, ready: Ready) -> PreferenceOutcome:
    """SimPO on the test pairs of the profile."""
    data, training = profile.data, profile.training
    pairs = read_pairs(Path(prepared.data_root) / data.test, data.test_pairs)
    return score_pairs(
        ready.model,
        ready.arm,
        pairs,
        tokenise_pairs(pairs, ready.tokenizer, data.max_length, data.max_prompt_length),
        pad_id=pad_id(ready.tokenizer),
        batch_size=profile.evaluation.loss_batch_size,
        beta=training.beta,
        gamma=training.gamma,
    )


def score_task(profile: Profile, prepared: PrepareResult, lm: GuardedLM, task: str) -> TaskOutcome:
    """One lm-eval task, its resolved files in a folder that goes away again."""
    with tempfile.TemporaryDirectory(prefix="harness-tasks-") as folder:
        return run_task(
            task,
            profile.evaluation.tasks[task],
            profile.evaluation,
            lm,
            Path(prepared.data_root),
            Path(folder).resolve(),
        )


def write_samples(
    folder: Path, preference: PreferenceOutcome, outcomes: Mapping[str, TaskOutcome]
) -> list[Path]:
    """Write the sample logs: `preference.jsonl` and one file a task."""
    files = [write_rows(folder / "preference.jsonl", preference.rows)]
    for task, outcome in outcomes.items():
        files.append(write_rows(folder / f"{task}.jsonl", sample_rows(outcome.samples)))
    return files


@contextmanager
def _timed(wall_s: dict[str, float], part: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    wall_s[part] = round(time.perf_counter() - started, 3)
