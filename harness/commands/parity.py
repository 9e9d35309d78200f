"""`python -m harness parity`: an arm's scores against lm-eval's own command line, item by item."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from harness.core.artefact import write_json
from harness.core.console import console
from harness.core.errors import CheckFailedError, UsageError
from harness.core.measures import BASE
from harness.core.paths import RESULTS, RunPaths
from harness.core.provenance import hardware, provenance
from harness.core.results import PrepareResult, Record
from harness.evaluation.agreement import Agreement, agreement
from harness.profiles.profile import Profile
from harness.stages.inputs import Context, command
from harness.stages.options import Save
from harness.stages.stage import run_stage

if TYPE_CHECKING:
    from harness.evaluation.lm import GuardedLM
    from harness.evaluation.lm_eval_command import Added

FILE = "lm-eval-parity.json"
LIMITS = {"mmlu": 2, "truthfulqa_mc2": 10, "gsm8k": 2}
"""Items compared where nothing else is asked for (of each subject for MMLU); 2 for a task not named here."""
TOLERANCE = 1e-3
"""Largest difference allowed with share_prefix, in nats of a response's log-probability."""

Json = dict[str, Any]


class TaskParity(Record):
    """One task.

    Attributes:
        limit: items of the task, of each subject where it has some.
        items: compared, the same in both.
        command: lm-eval's, with names instead of this machine's folders.
        plain: with share_prefix off, which must be identical.
        shared: with share_prefix on; None where the profile has it off, and for generation, which it leaves
            alone.
        scores: mean of lm-eval's metrics over the items, by its own name of them.
    """

    limit: int
    items: int
    command: str
    plain: Agreement
    shared: Agreement | None
    scores: dict[str, float]


class Parity(Record):
    """The whole comparison.

    Attributes:
        arm: the base, or one that adds a vector, which is held to lm-eval's `steered` model.
        model_sha256, data_sha256: over the files that both read.
        tolerance: of `shared`, in nats.
    """

    schema_version: int = 1
    arm: str = BASE
    profile: str
    profile_digest: str
    command: str
    model: str
    model_sha256: str
    data_sha256: str
    tolerance: float
    tasks: dict[str, TaskParity]
    provenance: dict[str, Any]


def run(
    profile: Profile,
    paths: RunPaths,
    limit: Annotated[
        list[str] | None,
        Option(
            metavar="TASK=N",
            help="items of a task, of each subject where it has some "
            "(repeatable; default: 2 of mmlu and gsm8k, 10 of truthfulqa_mc2)",
        ),
    ] = None,
    arm: Annotated[
        str, Option(metavar="NAME", help="the base, or an arm that adds one vector (default: the base)")
    ] = BASE,
    save: Save = False,
    results: Path = RESULTS,
) -> Parity:
    """Scores a few items of each task twice, by this harness and by `python -m lm_eval run`, on the same
    model, rows and settings. Without shared prefixes every number must be the same to the last digit, with
    them up to rounding. An arm that adds one vector to the residual stream is held to lm-eval's `steered`
    model with the same vector.

    Reads what `prepare` found (it runs first), and <arm>/weights/.

    Writes report/lm-eval-parity.json (lm-eval-parity-NAME.json for another arm than the base): versions,
    commands, digests, items, largest difference.

    Raises:
        UsageError: a limit for a task that the profile does not have, or below 1; an arm that adds no vector.
        EvaluationError: lm-eval's command fails, or scores other items.
        CheckFailedError: an item differs; the record is written all the same, but not below `results`.
    """
    found = _compared(profile, paths, cut(profile, dict(map(_limit, limit or ()))), arm)
    folders = [paths.report, *([results / profile.name / hardware()["class"]] if save else [])]
    name = FILE if arm == BASE else FILE.replace(".json", f"-{arm}.json")
    broken = [line for task, one in found.tasks.items() for line in faults(task, one)]
    for folder in folders[:1] if broken else folders:
        write_json(folder / name, found.model_dump(mode="json"))
        console.print(f"written: {folder / name}", markup=False)
    if broken:
        raise CheckFailedError(
            f"the scores of the arm {arm} differ from lm-eval's own:\n"
            + "\n".join(f"  - {one}" for one in broken),
            value=folders[0] / name,
            remedy="look at harness/evaluation/lm.py, and at what changed in lm-eval",
        )
    return found


def _compared(profile: Profile, paths: RunPaths, few: Profile, arm: str) -> Parity:
    from harness.evaluation.score import guarded, load_ready

    run_stage("prepare", profile, paths)
    prepared = Context(profile, paths).prepared
    profile.arm(arm)
    ready = load_ready(few, paths, arm, prepared)
    added, lm = _vector_of(ready.arm, arm), guarded(few, ready)
    return Parity(
        arm=arm,
        profile=profile.name,
        profile_digest=profile.digest(),
        command=command("parity", profile, "" if arm == BASE else arm),
        model=f"{profile.model.id} {profile.model.file}".strip(),
        model_sha256=prepared.digest("model"),
        data_sha256=prepared.digest("data"),
        tolerance=TOLERANCE,
        tasks={task: _task(few, prepared, lm, task, added) for task in few.evaluation.tasks},
        provenance=provenance(profile.evaluation.seed),
    )


def _limit(text: str) -> tuple[str, int]:
    task, _, count = text.partition("=")
    if not count.isdecimal():
        raise UsageError("a limit is TASK=N", value=text, remedy="write it as in --limit gsm8k=2")
    return task, int(count)


def cut(profile: Profile, limits: Mapping[str, int]) -> Profile:
    """The profile with few items of each task and without shared prefixes.

    Raises:
        UsageError: a limit for a task that it does not have, or below 1.
    """
    tasks = profile.evaluation.tasks
    for task, limit in limits.items():
        if task not in tasks or limit < 1:
            raise UsageError(
                "no such number of items of a task of the profile",
                value=f"{task}={limit}",
                remedy=f"give 1 or more items of: {', '.join(tasks)}",
            )
    few = {
        name: section.model_copy(update={"limit": limits.get(name, LIMITS.get(name, 2))})
        for name, section in tasks.items()
    }
    plain = profile.evaluation.model_copy(update={"tasks": few, "share_prefix": False})
    return profile.model_copy(update={"evaluation": plain})


def _vector_of(arm: Any, name: str) -> Added | None:
    """What lm-eval's `steered` model must add to be this arm; None for the base.

    Raises:
        UsageError: the arm is not one vector.
    """
    if name == BASE:
        return None
    from harness.evaluation.lm_eval_command import Added

    if not hasattr(arm, "added_vector"):
        raise UsageError(
            "lm-eval has no model that is this arm",
            value=f"--arm {name}",
            remedy="name the base, or an arm that adds one vector, such as DiffMean",
        )
    return Added(*arm.added_vector())


def _task(
    profile: Profile, prepared: PrepareResult, lm: GuardedLM, task: str, added: Added | None
) -> TaskParity:
    from harness.evaluation.lm_eval_command import lm_eval_command

    section = profile.evaluation.tasks[task]
    console.print(f"{task}: lm-eval's own command ...")
    with tempfile.TemporaryDirectory(prefix="harness-parity-") as folder:
        theirs = lm_eval_command(profile, prepared, task, Path(folder).resolve(), added)
    console.print(f"{task}: the harness ...")
    plain = _ours(profile, prepared, lm, task, shared=False)
    shared = None if section.max_new_tokens else _ours(profile, prepared, lm, task, shared=True)
    return TaskParity(
        limit=section.limit,
        items=len(plain),
        command=theirs.command,
        plain=agreement(plain, theirs.samples),
        shared=None if shared is None else agreement(shared, theirs.samples),
        scores=_scores(theirs.results),
    )


def _ours(profile: Profile, prepared: PrepareResult, lm: GuardedLM, task: str, *, shared: bool) -> list[Json]:
    from harness.evaluation.samples import sample_rows
    from harness.evaluation.score import score_task

    lm.share_prefix = shared
    return sample_rows(score_task(profile, prepared, lm, task).samples)


def _scores(results: Json) -> dict[str, float]:
    return {
        f"{part} {metric}": float(value)
        for part, metrics in sorted(results.items())
        for metric, value in metrics.items()
        if "," in metric and "stderr" not in metric and isinstance(value, (int, float))
    }


def faults(task: str, found: TaskParity) -> list[str]:
    """What is not as it must be."""
    plain, shared = found.plain, found.shared
    lines = []
    if plain.identical < found.items:
        lines.append(
            f"{task}: {found.items - plain.identical} of {found.items} items differ, "
            f"by up to {plain.largest_difference:.3g} nats"
        )
    if shared is not None and (
        shared.texts_differ or max(shared.largest_difference, shared.largest_metric_difference) > TOLERANCE
    ):
        lines.append(
            f"{task}, share_prefix: {shared.texts_differ} items answer otherwise, numbers differ by up to "
            f"{shared.largest_difference:.3g} nats"
        )
    return lines
