"""A trained point of a sweep on the test pairs, in the shape of a stage, so that it is kept and reused."""

from __future__ import annotations

from harness.core.artefact import digest_json
from harness.core.errors import EvaluationError
from harness.core.results import PreferenceScores, Record
from harness.core.threads import threads
from harness.stages.inputs import Context
from harness.stages.stage import Work


class PointScores(Record):
    """What `harness.evaluation.preference.score_pairs` gives.

    Attributes:
        losses: SimPO loss of each test pair without penalty, in the order of the file.
    """

    preference: PreferenceScores
    losses: tuple[float, ...]

    @property
    def penalty(self) -> float:
        """alpha times the mean L1 over the counted positions of the whole set."""
        return self.preference.penalised_loss.value - self.preference.loss.value

    def compared(self, with_penalty: bool) -> float:
        return (self.preference.penalised_loss if with_penalty else self.preference.loss).value

    def each(self, with_penalty: bool) -> list[float]:
        """The loss of each pair; the penalty is one number of the set."""
        return [loss + self.penalty for loss in self.losses] if with_penalty else list(self.losses)


class PointScore:
    """`harness.stages.stage.Stage`."""

    SUMMARY = "Score a point of a sweep on the test pairs."
    READS = "prepare.json, <arm>/train.json, <arm>/weights/, the test pairs"
    WRITES = "<arm>/score.json"
    PER_ARM = True

    def needs(self, context: Context, arm: str) -> dict[str, str]:
        """Digests of everything that determines the scores.

        Raises:
            MissingInputError: the point is not trained.
        """
        section = context.profile.arm(arm)
        return {
            "arm": digest_json([section.module, section.options, context.trained(arm).outputs]),
            "model": context.model,
            "sae": context.sae,
            "test pairs": context.test_pairs,
            "objective": context.objective,
            "batch": digest_json(context.profile.evaluation.loss_batch_size),
            "threads": str(threads(context.profile.evaluation.threads)),
        }

    def work(self, context: Context, arm: str) -> Work:
        """Score the point.

        Raises:
            EvaluationError: memory is exhausted, or a loss is not finite.
        """
        from harness.evaluation.score import load_ready, score_preferences
        from harness.models.base_model import out_of_memory

        with out_of_memory(EvaluationError, "evaluation.loss_batch_size"):
            ready = load_ready(context.profile, context.paths, arm, context.prepared)
            found = score_preferences(context.profile, context.prepared, ready)
        losses = tuple(row["metrics"]["loss"] for row in found.rows)
        return Work(PointScores(preference=found.scores, losses=losses), [])
