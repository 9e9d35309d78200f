"""Stage `analyse`: paired differences between the arms, from the per-sample logs."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from harness.core.artefact import digest_json
from harness.core.errors import DamagedFileError, NotComparableError
from harness.core.json_lines import rows
from harness.core.measures import LOSS, PENALISED_LOSS, Measure, logged, measures
from harness.core.results import EvaluateResult
from harness.core.statistics import LEVEL, RESAMPLES, Difference, corrected, paired_difference
from harness.findings.outcome import AnalyseResult, Differences
from harness.paper.claims import Paper, read_paper
from harness.stages.inputs import Context, command
from harness.stages.stage import Work

PER_ARM = False

TOLERANCE = 1e-6

Items = dict[str, float]


def needs(context: Context, arm: str = "") -> dict[str, str]:  # noqa: ARG001
    """The evaluation of every arm, the seed of the resampling, and the smallest effects worth knowing."""
    profile = context.profile
    smallest = sorted((sorted(arms), name, one) for (arms, name), one in read_paper().smallest.items())
    found = {
        "seed": digest_json(profile.training.seed),
        "tasks": digest_json(list(profile.evaluation.tasks)),
        "smallest effects": digest_json(smallest),
    }
    for name in profile.arms:
        evaluated = context.evaluated(name)
        found[f"evaluate {name}"] = digest_json([evaluated.outputs, evaluated.result["scores"]])
    return found


def work(context: Context, arm: str = "") -> Work:  # noqa: ARG001
    """Compare every arm with each arm that the profile names before it.

    Raises:
        MissingInputError: an arm was not evaluated, or a sample log is gone.
        DamagedFileError: a sample log does not have the items of the score, or of the other arms.
        NotComparableError: the arms were not asked the same tokens.
    """
    seed = context.profile.training.seed
    refuse_other_requests(context)
    items, paper = {name: arm_items(context, name) for name in context.profile.arms}, read_paper()
    found = {
        (name, reference, measure): one
        for reference, name in itertools.combinations(items, 2)
        for measure, one in _compare({one: items[one] for one in (name, reference)}, paper, seed).items()
    }
    found |= (directions := corrected(found))
    found |= (equivalences := corrected(found, "p_equivalent"))
    differences: Differences = {}
    for (name, reference, measure), one in found.items():
        differences.setdefault(name, {}).setdefault(reference, {})[measure] = one
    result = AnalyseResult(
        differences=differences,
        family=len(directions),
        resamples=RESAMPLES,
        level=LEVEL,
        seed=seed,
        equivalence_family=len(equivalences),
    )
    return Work(result, [])


def refuse_other_requests(context: Context) -> None:
    """Each arm builds its requests anew; their ids must be the same, task by task.

    Of an arm that puts an instruction into them, the rendered prompts must be.

    Raises:
        NotComparableError: they are not.
    """
    digests: dict[str, dict[str, str]] = {}
    for name in context.profile.arms:
        result = EvaluateResult.model_validate(context.evaluated(name).result)
        for task, facts in result.requests.items():
            digests.setdefault(f"{task} (rendered)", {})[name] = facts.prompts_sha256
            if not facts.instruction:
                digests.setdefault(task, {})[name] = facts.ids_sha256
    for task, by_arm in digests.items():
        first = next(iter(by_arm))
        other = next((name for name, digest in by_arm.items() if digest != by_arm[first]), None)
        if other is not None:
            raise NotComparableError(
                f"the arms {first} and {other} got different tokens in {task}",
                value=f"{by_arm[first][:12] or 'not recorded'}, {by_arm[other][:12] or 'not recorded'}",
                remedy=f"delete {context.paths.stage('evaluate', other)} and the other's, then run "
                f"`{command('evaluate', context.profile)}` and look at what changed between the arms",
            )


def arm_items(context: Context, arm: str) -> dict[Measure, Items]:
    """Each measure's value by item, checked against the score that `evaluate` reports."""
    result = EvaluateResult.model_validate(context.evaluated(arm).result)
    remedy = f"run `{command('evaluate', context.profile, arm)}` again"
    preference = {LOSS: result.preference.loss, PENALISED_LOSS: result.preference.penalised_loss}
    scores = {**preference, **result.scores}
    found = {}
    for column in measures(context.profile.evaluation.tasks, result.scores):
        task, _, metric = column.name.partition(".")
        path = context.paths.samples(arm) / f"{task}.jsonl"
        found[column] = _read_items(path, metric, remedy)
        _refuse_other_mean(found[column], scores[column.name], path, column.name, remedy)
    return found


def _refuse_other_mean(items: Items, score: Any, path: Path, name: str, remedy: str) -> None:
    mean = math.fsum(items.values()) / len(items) if items else math.nan
    if len(items) != score.n or not math.isclose(mean, score.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        raise DamagedFileError(
            f"the sample log gives {name} = {mean:.6g} over {len(items)} items, "
            f"the evaluation reports {score.value:.6g} over {score.n}",
            value=path,
            remedy=remedy,
        )


def _read_items(path: Path, metric: str, remedy: str) -> Items:
    """A metric by item from a sample log; the key names the item, not its line."""

    def item(row: Any) -> tuple[str, float]:
        key = f"{row.get('task', '')}/{row['doc_id']}/{row.get('doc_hash', '')}"
        return key, logged(row["metrics"], metric)

    return dict(rows(path, item, what="the sample log", remedy=remedy))


def _compare(by_arm: dict[str, dict[Measure, Items]], paper: Paper, seed: int) -> dict[str, Difference]:
    """The first of two arms minus the second, on every measure."""
    found, (arm, reference) = {}, by_arm.values()
    for column, items in arm.items():
        others = reference.get(column)
        if others is None or others.keys() != items.keys():
            raise DamagedFileError(
                f"the arms {' and '.join(by_arm)} were not scored on the same items",
                value=column.name,
                remedy="evaluate both arms again with the same profile",
            )
        keys = sorted(items)
        found[column.name] = paired_difference(
            [items[key] for key in keys],
            [others[key] for key in keys],
            seed=seed,
            tested=column.tested,
            smallest=paper.smallest.get((frozenset(by_arm), column.name)),
        )
    return found
