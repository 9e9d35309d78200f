"""From the artefacts of a run to its outcome, the document that tables, verdicts and comparisons read."""

from __future__ import annotations

from typing import Any

from harness.core.artefact import Artefact, digest_json
from harness.core.differing import refuse_unlike
from harness.core.measures import LOSS, PENALISED_LOSS, measures
from harness.core.results import EvaluateResult, PrepareResult, PromptFacts, RequestFacts, TrainResult
from harness.findings.outcome import AnalyseResult, ArmOutcome, Outcome, SaeFacts, TrainingFacts
from harness.profiles.profile import Profile
from harness.stages.inputs import Context

Stages = dict[str, tuple[Artefact, Artefact]]


def read_stages(context: Context) -> Stages:
    """The artefacts of training and of evaluation, by arm.

    Raises:
        MissingInputError: an arm was not trained or not evaluated; the message names the command.
    """
    return {arm: (context.trained(arm), context.evaluated(arm)) for arm in context.profile.arms}


def gathered_digests(context: Context) -> dict[str, str]:
    """What the outcome depends on: the profile, and each artefact's result and provenance."""
    found = {"profile": context.profile.digest()}
    for arm, pair in read_stages(context).items():
        for artefact in pair:
            found[f"{artefact.stage} {arm}"] = digest_json([artefact.result, artefact.provenance])
    return found | {name: digest_json(context.finished(name).result) for name in ("analyse", "prepare")}


def gather(context: Context) -> Outcome:
    """The outcome of a run.

    Raises:
        MissingInputError: a stage has not run.
        NotComparableError: the arms were run on unlike machines or with unlike packages.
    """
    profile, stages = context.profile, read_stages(context)
    artefacts = {f"{one.stage} {arm}": one for arm, pair in stages.items() for one in pair}
    _refuse_unlike(artefacts)
    first = next(iter(artefacts.values())).provenance
    prepared = context.finished("prepare")
    results = {arm: EvaluateResult.model_validate(pair[1].result) for arm, pair in stages.items()}
    names = next(iter(results.values())).scores
    return Outcome(
        profile=profile.name,
        title=profile.title,
        note=profile.note,
        profile_digest=profile.digest(),
        model=profile.model.id,
        protocol=profile.evaluation.protocol,
        dtype=profile.model.dtype,
        hardware=first["hardware"]["class"],
        device=first["hardware"]["device"],
        versions=first["versions"],
        commits=tuple(sorted({one.provenance["commit"] or "no commit" for one in artefacts.values()})),
        dirty=any(bool(one.provenance["dirty"]) for one in artefacts.values()),
        seed=profile.training.seed,
        limits=_limits(profile),
        measures=tuple(column.name for column in measures(profile.evaluation.tasks, names)),
        minimum_moved=profile.training.minimum_moved,
        order=tuple(stages),
        arms={arm: _arm(profile.arm(arm).title, *pair, results[arm]) for arm, pair in stages.items()},
        comparisons=AnalyseResult.model_validate(context.finished("analyse").result),
        sae=_sae(PrepareResult.model_validate(prepared.result).facts.get("sae", {})),
        prepare_s=prepared.wall_s,
        paper_values=profile.paper_values,
        random_weights=profile.model.source == "random",
        python=first.get("python", ""),
        date=max(one.provenance.get("date", "") for one in artefacts.values()),
    )


def _refuse_unlike(artefacts: dict[str, Artefact]) -> None:
    kinds = {
        name: {"hardware class": one.provenance["hardware"]["class"], **one.provenance["versions"]}
        for name, one in artefacts.items()
    }
    refuse_unlike(kinds, remedy="delete the artefact of `{name}` in the run folder and run it again")


def _limits(profile: Profile) -> dict[str, int]:
    tasks = {f"tasks.{name}": task.limit for name, task in profile.evaluation.tasks.items()}
    return {**tasks, "train_pairs": profile.data.train_pairs, "test_pairs": profile.data.test_pairs}


def _sae(facts: dict[str, Any]) -> SaeFacts | None:
    measured = facts.get("held_out", facts)
    if "explained_variance" not in measured:
        return None
    names = ("explained_variance", "mean_l0", "dead_fraction", "tokens")
    return SaeFacts(**{name: measured[name] for name in names}, made_in_s=facts.get("made_in_s"))


def _arm(title: str, train: Artefact, evaluate: Artefact, evaluated: EvaluateResult) -> ArmOutcome:
    trained, preference = TrainResult.model_validate(train.result), evaluated.preference
    return ArmOutcome(
        title=title,
        training=_training(trained) if trained.trained else None,
        scores={LOSS: preference.loss, PENALISED_LOSS: preference.penalised_loss, **evaluated.scores},
        accuracy=preference.accuracy,
        mean_l0=preference.mean_l0,
        mean_l1=preference.mean_l1,
        training_usage=trained.usage,
        search=trained.search,
        evaluation_usage=evaluated.usage,
        prompts={task: _prompts(facts) for task, facts in evaluated.requests.items()},
        chat_template_sha256=evaluated.chat_template_sha256,
        train_s=train.wall_s,
        evaluate_s=evaluate.wall_s,
        task_s=evaluated.wall_s,
        truncation=preference.truncation,
        evaluation_threads=evaluated.threads,
    )


def _training(trained: TrainResult) -> TrainingFacts:
    rates = trained.learning_rate_trace
    same = TrainingFacts.model_fields.keys() & TrainResult.model_fields.keys()
    return TrainingFacts(
        **{name: getattr(trained, name) for name in same},
        learning_rates=len(rates),
        peak_learning_rate=max(rates, default=None),
        threads=trained.facts.get("threads"),
        movable=trained.facts.get("movable", 1.0),
        objective=trained.facts.get("objective", {"name": "simpo"})["name"],
    )


def _prompts(facts: RequestFacts) -> PromptFacts:
    return PromptFacts.model_validate(facts.model_dump(include=set(PromptFacts.model_fields)))
