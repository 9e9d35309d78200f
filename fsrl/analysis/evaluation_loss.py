"""The evaluation SimPO loss of the arm in memory, pair by pair, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import fmean
from typing import NamedTuple

from fsrl.analysis.subject import Subject
from harness.core.json_lines import rows
from harness.core.measures import BASE
from harness.core.results import EvaluateResult, Interval, Score
from harness.core.statistics import paired_difference
from harness.evaluation.preference import score_pairs
from harness.stages.inputs import finished
from harness.study import StudyScene


class Losses(NamedTuple):
    """SimPO without penalty: the mean with its error, each pair's, and the mean L0 of the steering."""

    score: Score
    pairs: list[float]
    mean_l0: float


def losses(subject: Subject, scene: StudyScene) -> Losses:
    """Score the test pairs with the adapter as it now is."""
    training = scene.profile.training
    outcome = score_pairs(
        subject.model,
        subject.arm,
        subject.pairs,
        subject.tokenised,
        pad_id=subject.pad_id,
        batch_size=scene.profile.evaluation.loss_batch_size,
        beta=training.beta,
        gamma=training.gamma,
    )
    scores = outcome.scores
    return Losses(scores.loss, [row["metrics"]["loss"] for row in outcome.rows], scores.mean_l0 or 0.0)


def against(losses: Sequence[float], reference: Sequence[float], seed: int) -> Interval:
    """Paired difference of the mean losses, with the bootstrap's 95 % interval."""
    one = paired_difference(losses, reference, seed=seed, tested=False)
    stderr = one.sd / one.n**0.5
    return Interval(value=one.effect, stderr=stderr, low=one.low, high=one.high)


def first(subject: Subject, pairs: int) -> Subject:
    """The subject with only its first test pairs; all of them for 0."""
    if not pairs:
        return subject
    tokenised = subject.tokenised._replace(rows=subject.tokenised.rows[:pairs])
    return subject._replace(pairs=subject.pairs[:pairs], tokenised=tokenised)


def base_loss(scene: StudyScene, pairs: int = 0) -> float:
    """The base arm's loss, as `evaluate` recorded it: over all test pairs, or over the first ones."""
    evaluated = finished("evaluate", scene.profile, scene.paths, BASE)
    if pairs:
        logged = rows(
            scene.paths.samples(BASE) / "preference.jsonl",
            lambda row: float(row["metrics"]["loss"]),
            what="the base arm's losses",
            remedy="run `evaluate` of the arm `base` again",
        )
        return fmean(islice(logged, pairs))
    return EvaluateResult.model_validate(evaluated.result).preference.loss.value
