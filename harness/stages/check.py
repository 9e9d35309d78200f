"""Stage `check`: the properties that every run must have, then the report's verdict on each claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from harness.core.artefact import Artefact, digest_file, digest_json
from harness.core.console import screen_console
from harness.core.errors import CheckFailedError
from harness.core.measures import BASE, LOSS
from harness.core.paths import RunPaths
from harness.core.results import PromptFacts, Record
from harness.evaluation.committed_prompts import changes, outcome_prompts, read_snapshot, snapshot_path
from harness.findings.outcome import ArmOutcome, Outcome, outcome_path, read_outcome
from harness.paper.published import Agreement, agreements
from harness.profiles.profile import Profile
from harness.report.screen_table import show_sheet
from harness.report.verdict_tables import verdict_summary
from harness.stages.inputs import Context, command
from harness.stages.report import read_verdicts
from harness.stages.stage import Work

PER_ARM = False
Test = Callable[[Outcome], Iterator[str]]

COMMITTED = "prompts, chat templates and stop tokens match results/<profile>/prompts.json"


class CheckResult(Record):
    """What was checked.

    Attributes:
        held: the properties, in words, all of which the run has.
        published: the base arm's scores beside those that the profile names as published.
    """

    held: tuple[str, ...]
    published: tuple[Agreement, ...] = ()


def needs(context: Context, arm: str = "") -> dict[str, str]:  # noqa: ARG001
    """The report's outcome and verdicts, the committed prompts and the published scores."""
    profile, report = context.profile, context.finished("report")
    committed = snapshot_path(profile.name)
    found = {
        "outcome": report.outputs[outcome_path(context.paths).relative_to(context.paths.root).as_posix()],
        "prompts": digest_file(committed) if committed.is_file() else "none committed",
    }
    if profile.published:
        found["published"] = digest_json(profile.model_dump(mode="json", include={"published"}))
    return found


def work(context: Context, arm: str = "") -> Work:  # noqa: ARG001
    """Check the run.

    Raises:
        CheckFailedError: a property does not hold; the message names each one, with the arm and the numbers.
    """
    profile, path = context.profile, outcome_path(context.paths)
    outcome = read_outcome(path, made_by=command("report", profile))
    tests = properties(profile)
    held, broken = [*tests], violations(outcome, tests)
    committed = read_snapshot(snapshot_path(profile.name))
    if committed is not None:
        held.append(COMMITTED)
        broken += [f"{COMMITTED}: {line}" for line in changes(committed, outcome_prompts(outcome))]
    if broken:
        raise CheckFailedError(
            f"sanity checks failed ({len(broken)}):\n" + "\n".join(f"  - {line}" for line in broken),
            value=path,
            remedy="do not trust this run's numbers: find the cause, then train and evaluate the arm again",
        )
    published = agreements(profile, outcome.arms[BASE].scores)
    return Work(CheckResult(held=tuple(held), published=published), [])


def show(artefact: Artefact, paths: RunPaths) -> None:
    """Print what held, and the verdicts of the report."""
    result = CheckResult.model_validate(artefact.result)
    outcome = read_outcome(outcome_path(paths), made_by="python -m harness report")
    console = screen_console()
    for line in result.held:
        console.print(f"ok: {line}", markup=False)
    for agreement in result.published:
        console.print(str(agreement), markup=False)
    show_sheet(verdict_summary(outcome, read_verdicts(paths)), console)


def properties(profile: Profile) -> dict[str, Test]:
    """The properties that a run of the profile must have; the base arm alone has no loss to compare."""
    alone = list(profile.arms) == [BASE]
    return {name: test for name, test in PROPERTIES.items() if not (alone and test is _losses)}


def violations(outcome: Outcome, tests: dict[str, Test] | None = None) -> list[str]:
    """Every violated property (of all, if none are named), one line for each arm or task that violates it."""
    used = PROPERTIES if tests is None else tests
    return [f"{name}: {found}" for name, test in used.items() for found in test(outcome)]


def _losses(outcome: Outcome) -> Iterator[str]:
    """A loss that training has surely raised is a fault; one that it has not surely lowered is a result."""
    if outcome.random_weights:
        return  # a few steps on random weights lower nothing, and say nothing
    if BASE not in outcome.arms:
        yield f"the run has no arm `{BASE}`"
        return
    if not outcome.trained and all(arm.search is None for arm in outcome.arms.values()):
        yield "the run has no trained arm"
    for name, arm in outcome.trained.items():
        loss, one = arm.scores[LOSS].value, outcome.difference(name, BASE, LOSS)
        if not math.isfinite(loss):
            yield f"{name} has {loss}"
        elif one is None:
            yield f"{name} was not compared with the base"
        elif one.low > 0:
            yield f"{name} - base: {one.effect:+.3g} [{one.low:+.3g}, {one.high:+.3g}] nats (paired, 95 % CI)"


def _moved(outcome: Outcome) -> Iterator[str]:
    for name, arm in outcome.trained.items():
        moved = arm.training.moved if arm.training else None
        if moved is None:
            yield f"{name} did not record it"
        elif moved.fraction_changed < outcome.minimum_moved or moved.mean_absolute_change <= 0:
            changed, floor = moved.fraction_changed, outcome.minimum_moved
            yield f"{name} changed {changed:.4g} of its entries, the floor is {floor:g}"


def _rates(outcome: Outcome) -> Iterator[str]:
    for name, arm in outcome.trained.items():
        facts = arm.training
        if facts is None:
            continue
        if facts.steps < 1 or facts.learning_rates != facts.steps:
            yield f"{name} has {facts.learning_rates} rates for {facts.steps} steps"
        elif not facts.peak_learning_rate or not math.isfinite(facts.peak_learning_rate):
            yield f"{name} has the largest rate {facts.peak_learning_rate}"


def _prompts(outcome: Outcome) -> Iterator[tuple[str, str, PromptFacts]]:
    for name, arm in outcome.arms.items():
        for task, facts in arm.prompts.items():
            yield name, task, facts


def _bos(outcome: Outcome) -> Iterator[str]:
    for name, arm in outcome.arms.items():
        if not arm.prompts:
            yield f"{name} has no record of its requests"
    for name, task, facts in _prompts(outcome):
        if not _one_bos(facts):
            yield f"{name}, {task}: {facts.bos_min} to {facts.bos_max} (counted as {facts.bos_rule})"


def _one_bos(facts: PromptFacts) -> bool:
    """One BOS; a tokenizer that has none may have none, if that holds for every request."""
    same = facts.bos_min == facts.bos_max
    return same and (facts.bos_max == 1 or (facts.bos_rule == "leading_run" and facts.bos_max == 0))


def _truncated(outcome: Outcome) -> Iterator[str]:
    for name, task, facts in _prompts(outcome):
        if facts.truncated:
            yield f"{name}, {task}: {facts.truncated} of {facts.requests}"


def _same_prompts(outcome: Outcome) -> Iterator[str]:
    arms = list(outcome.arms.items())
    reference, first = arms[0]
    for name, arm in arms[1:]:
        if arm.chat_template_sha256 != first.chat_template_sha256:
            yield f"{name} and {reference} have different chat templates"
        for task in sorted(arm.prompts.keys() | first.prompts.keys()):
            if arm.prompts.get(task) != first.prompts.get(task):
                yield f"{name} and {reference}, {task}: {_what_differs(arm, first, task)}"


def _what_differs(arm: ArmOutcome, first: ArmOutcome, task: str) -> str:
    one, other = arm.prompts.get(task), first.prompts.get(task)
    if one is None or other is None:
        return "one of them was not scored"
    names = [key for key in PromptFacts.model_fields if getattr(one, key) != getattr(other, key)]
    return ", ".join(names)


def _same_n(outcome: Outcome) -> Iterator[str]:
    for column in outcome.columns:
        sizes = {
            name: arm.scores[column.name].n if column.name in arm.scores else 0
            for name, arm in outcome.arms.items()
        }
        if len(set(sizes.values())) != 1 or 0 in sizes.values():
            yield f"{column.title}: " + ", ".join(f"{name} {n}" for name, n in sizes.items())


PROPERTIES: dict[str, Test] = {
    "the SimPO loss of no trained arm is surely above the base's": _losses,
    "training moved the weights of each trained arm": _moved,
    "each trained arm recorded a learning rate for every step": _rates,
    "every request of every task has exactly one BOS": _bos,
    "no request was truncated": _truncated,
    "all arms got the same prompts, template and stop tokens": _same_prompts,
    "all arms were scored on the same number of items": _same_n,
}
