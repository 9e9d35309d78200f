"""Score an arm: SimPO on the test pairs, and lm-eval's tasks through one guarded code path."""

from __future__ import annotations

from harness import __version__
from harness.arm import arm_module
from harness.core.artefact import digest_json
from harness.core.errors import EvaluationError, ProfileError
from harness.core.paths import RunPaths
from harness.core.provenance import hardware, versions
from harness.evaluation.tasks import digest_tasks
from harness.profiles.profile import Profile
from harness.stages.stage import Work, finished, prepared_inputs

PER_ARM = True

UNFINISHED = "unfinished-"


def needs(profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]:
    """Digests of everything that determines the scores of an arm.

    Raises:
        MissingInputError: `prepare` or the arm's `train` has not run, or a task of the profile has no file.
        ProfileError: the profile evaluates on rows of another source than it prepares.
    """
    name = _named(arm)
    _check_source(profile)
    section = profile.arm(name)
    prepared = prepared_inputs(profile, paths)
    trained = finished("train", profile, paths, name)
    train_file = f"data/{profile.data.train}"
    rows = {
        file: sha for file, sha in prepared.files.items() if file.startswith("data/") and file != train_file
    }
    pairs = profile.data.model_dump(mode="json", exclude={"train", "train_pairs"})
    objective = {"beta": profile.training.beta, "gamma": profile.training.gamma}
    return {
        "evaluation": digest_json(profile.evaluation.model_dump(mode="json")),
        "tasks": digest_tasks(profile.evaluation),
        "test pairs": digest_json({"data": pairs, "objective": objective}),
        "model": digest_json(
            {"section": profile.model.model_dump(mode="json"), "files": prepared.digest("model")}
        ),
        "arm": digest_json([section.module, section.options, trained.outputs]),
        "sae": digest_json({"section": profile.sae.model_dump(mode="json"), "files": prepared.digest("sae")})
        if arm_module(section).Arm.uses_sae
        else "",
        "data": digest_json(rows),
    }


def work(profile: Profile, paths: RunPaths, arm: str | None) -> Work:
    """Score the arm and write its sample logs; a part that is finished survives an interruption.

    Raises:
        EvaluationError: memory is exhausted, or the evaluation cannot be believed.
    """
    from harness.evaluation.score import evaluate_arm
    from harness.models.base_model import out_of_memory

    name = _named(arm)
    key = digest_json([needs(profile, paths, arm), __version__, versions(), hardware()["class"]])
    unfinished = paths.folder(name) / f"{UNFINISHED}{key[:12]}"
    with out_of_memory(EvaluationError, "evaluation.batch_size or evaluation.loss_batch_size"):
        scored = evaluate_arm(profile, paths, name, prepared_inputs(profile, paths), unfinished)
    return Work(scored.result, scored.files, scratch=list(paths.folder(name).glob(f"{UNFINISHED}*")))


def _named(arm: str | None) -> str:
    if arm is None:
        raise ProfileError("evaluate works on one arm at a time", value=arm, remedy="name one with --arm")
    return arm


def _check_source(profile: Profile) -> None:
    source = profile.evaluation.source
    if source != profile.data.source:
        raise ProfileError(
            f"evaluation.source is {source} while data.source is {profile.data.source}",
            value=profile.name,
            remedy="give both the same source",
        )
