"""Scoring an arm, one code path for all: from base model and arm's weights to scores and sample logs."""

from __future__ import annotations

import functools
import hashlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from harness.arm import load_arm, scene
from harness.core.artefact import digest_json
from harness.core.meter import Meter
from harness.core.provenance import versions
from harness.core.results import EvaluateResult, PreferenceScores, PrepareResult, Usage
from harness.evaluation.benchmark import TaskOutcome, quiet, run_task
from harness.evaluation.lm import GuardedLM
from harness.evaluation.parts import PREFERENCE, Part, Parts, whole_usage
from harness.evaluation.preference import PreferenceOutcome, score_pairs
from harness.evaluation.requests import RequestStore
from harness.evaluation.samples import sample_rows, write_rows
from harness.models.base_model import load_model, load_tokenizer, pad_id, pick_device
from harness.training.usable import usable_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.arm import Arm
    from harness.core.paths import RunPaths
    from harness.models.instruction import Instruction
    from harness.profiles.profile import Profile


class Ready(NamedTuple):
    """An arm in memory, ready to be scored."""

    arm: Arm
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Scored(NamedTuple):
    """What was found and the sample logs that were written."""

    result: EvaluateResult
    files: list[Path]


def evaluate_arm(
    profile: Profile, paths: RunPaths, name: str, prepared: PrepareResult, unfinished: Path | None = None
) -> Scored:
    """Load an arm as trained and score it on the test pairs and on every task of the profile.

    Args:
        unfinished: folder of the parts that an interrupted evaluation of the same inputs has finished;
            None keeps none.

    Raises:
        HarnessError: inputs that are missing or damaged, or an evaluation that cannot be believed.
    """
    started = time.perf_counter()
    ready = load_ready(profile, paths, name, prepared)
    lm = guarded(profile, ready, request_store(paths, prepared))
    startup_s = time.perf_counter() - started
    kept = Parts(unfinished)
    parts = {PREFERENCE: kept.once(PREFERENCE, lambda: preference_part(profile, prepared, ready))}
    for task in profile.evaluation.tasks:
        parts[task] = kept.once(task, functools.partial(task_part, profile, prepared, ready, lm, task))
    files = [write_rows(paths.samples(name) / f"{part}.jsonl", parts[part].rows) for part in parts]
    return Scored(whole(parts, ready, startup_s), files)


def whole(parts: dict[str, Part], ready: Ready, startup_s: float) -> EvaluateResult:
    """The result of an evaluation from its parts."""
    template = str(ready.tokenizer.chat_template).encode()
    return EvaluateResult(
        preference=cast(PreferenceScores, parts[PREFERENCE].preference),
        scores={key: score for part in parts.values() for key, score in part.scores.items()},
        requests={task: part.requests for task, part in parts.items() if part.requests is not None},
        wall_s={name: round(part.usage.wall_s, 3) for name, part in parts.items()},
        usage=whole_usage(parts, startup_s),
        chat_template_sha256=hashlib.sha256(template).hexdigest(),
        lm_eval={task: part.lm_eval for task, part in parts.items() if part.requests is not None},
        attention=ready.model.config._attn_implementation,
        threads=torch.get_num_threads(),
    )


def preference_part(profile: Profile, prepared: PrepareResult, ready: Ready) -> Part:
    """SimPO on the test pairs, metered."""
    with Meter() as meter:
        found = score_preferences(profile, prepared, ready)
    usage = _usage(meter, ready, found.tokens)
    return Part(usage=usage, rows=list(found.rows), preference=found.scores)


def task_part(profile: Profile, prepared: PrepareResult, ready: Ready, lm: GuardedLM, task: str) -> Part:
    """One lm-eval task, metered."""
    before = lm.tokens
    with Meter() as meter:
        found = score_task(profile, prepared, lm, task)
    return Part(
        usage=_usage(meter, ready, lm.tokens - before),
        rows=sample_rows(found.samples),
        scores=found.scores,
        requests=found.requests,
        lm_eval=found.results,
    )


def _usage(meter: Meter, ready: Ready, tokens: int) -> Usage:
    total = sum(parameter.numel() for parameter in ready.model.parameters())
    return meter.usage(trainable_parameters=0, total_parameters=total, tokens=tokens, startup_s=0.0)


@quiet()
def load_ready(profile: Profile, paths: RunPaths, name: str, prepared: PrepareResult) -> Ready:
    """A fresh base model turned into the arm as trained."""
    model_dir = Path(prepared.model_dir)
    model = load_model(model_dir, profile.model, pick_device())
    arm = load_arm(profile, name, scene(profile, prepared))
    arm.load(model, paths.weights(name))
    return Ready(arm, model.eval(), load_tokenizer(model_dir, profile.model))


def instruction_of(ready: Ready) -> Instruction | None:
    """What the arm puts into each prompt; None for an arm that has no `instruction` or nothing to say."""
    make = getattr(ready.arm, "instruction", None)
    found: Instruction | None = make(ready.tokenizer) if make is not None else None
    return found


def request_store(paths: RunPaths, prepared: PrepareResult) -> RequestStore:
    """Where the arms of a run share what was tokenised."""
    return RequestStore(paths.requests, digest_json([prepared.digest("model"), versions()]))


@quiet()
def guarded(profile: Profile, ready: Ready, store: RequestStore | None = None) -> GuardedLM:
    """The arm as lm-eval sees it; without a store it tokenises its requests itself."""
    section = profile.evaluation
    return GuardedLM(
        ready.model,
        ready.tokenizer,
        batch_size=section.batch_size,
        chat_template=section.chat_template,
        share_prefix=section.share_prefix,
        store=store,
        instruction=instruction_of(ready),
    )


def score_preferences(profile: Profile, prepared: PrepareResult, ready: Ready) -> PreferenceOutcome:
    """SimPO on the test pairs of the profile."""
    data, training = profile.data, profile.training
    path = Path(prepared.data_root) / data.test
    pairs, tokenised = usable_pairs(path, data.test_pairs, ready.tokenizer, data)
    instruction = instruction_of(ready)
    if instruction is not None:
        rows = [row._replace(prompt=instruction.into_ids(row.prompt)) for row in tokenised.rows]
        tokenised = tokenised._replace(rows=rows)
    return score_pairs(
        ready.model,
        ready.arm,
        pairs,
        tokenised,
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
