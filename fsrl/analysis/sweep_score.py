"""A trained point of a sweep on the test pairs, in the shape of a stage, so that it is kept and reused."""

from __future__ import annotations

from harness.core.artefact import digest_json
from harness.core.errors import EvaluationError, ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PreferenceScores, Record
from harness.profiles.profile import Profile
from harness.stages.stage import Work, finished, prepared_inputs


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

    def needs(self, profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]:
        """Digests of everything that determines the scores.

        Raises:
            MissingInputError: the point is not trained.
        """
        name = _named(arm)
        prepared, trained = prepared_inputs(profile, paths), finished("train", profile, paths, name)
        data, training = profile.data, profile.training
        return {
            "arm": digest_json([profile.arm(name).module, profile.arm(name).options, trained.outputs]),
            "model": digest_json([profile.model.model_dump(mode="json"), prepared.digest("model")]),
            "sae": digest_json([profile.sae.model_dump(mode="json"), prepared.digest("sae")]),
            "test pairs": digest_json(
                [
                    data.model_dump(mode="json", exclude={"train", "train_pairs"}),
                    prepared.files[f"data/{data.test}"],
                ]
            ),
            "objective": digest_json([training.beta, training.gamma, profile.evaluation.loss_batch_size]),
        }

    def work(self, profile: Profile, paths: RunPaths, arm: str | None) -> Work:
        """Score the point.

        Raises:
            EvaluationError: memory is exhausted, or a loss is not finite.
        """
        from harness.evaluation.benchmark import quiet
        from harness.evaluation.score import load_ready, score_preferences
        from harness.models.base_model import out_of_memory

        prepared = prepared_inputs(profile, paths)
        with out_of_memory(EvaluationError, "evaluation.loss_batch_size"):
            with quiet():
                ready = load_ready(profile, paths, _named(arm), prepared)
            found = score_preferences(profile, prepared, ready)
        losses = tuple(row["metrics"]["loss"] for row in found.rows)
        return Work(PointScores(preference=found.scores, losses=losses), [])


def _named(arm: str | None) -> str:
    if arm is None:
        raise ProfileError("a point of a sweep is one arm", value=arm, remedy="name it")
    return arm
