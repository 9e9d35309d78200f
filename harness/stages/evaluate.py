"""Score an arm: SimPO on the test pairs, and lm-eval's tasks through one guarded code path."""

from __future__ import annotations

from harness import __version__
from harness.arm import arm_module
from harness.core.artefact import digest_json
from harness.core.errors import EvaluationError, ProfileError
from harness.core.machine import machine_inputs
from harness.core.provenance import hardware, versions
from harness.core.threads import computing_with, say_overruled, threads
from harness.evaluation.tasks import digest_tasks
from harness.profiles.plugged import code_of
from harness.profiles.profile import Profile
from harness.stages.inputs import Context
from harness.stages.stage import Work

PER_ARM = True

UNFINISHED = "unfinished-"


def needs(context: Context, arm: str) -> dict[str, str]:
    """Digests of everything that determines the scores of an arm.

    Raises:
        MissingInputError: `prepare` or the arm's `train` has not run, or a task of the profile has no file.
        ProfileError: the profile evaluates on rows of another source than it prepares.
    """
    profile = context.profile
    _check_source(profile)
    prepared = context.prepared
    section, trained = profile.arm(arm), context.trained(arm)
    pairs = {f"data/{profile.data.train}", f"data/{profile.data.test}"}
    rows = {
        file: sha for file, sha in prepared.files.items() if file.startswith("data/") and file not in pairs
    }
    return {
        **machine_inputs(),
        **code_of(arm_module(section)),
        "evaluation": digest_json(profile.evaluation.model_dump(mode="json", exclude={"threads"})),
        "threads": str(threads(profile.evaluation.threads)),
        "tasks": digest_tasks(profile.evaluation),
        "test pairs": context.test_pairs,
        "objective": context.objective,
        "model": context.model,
        "arm": digest_json([section.module, section.options, trained.outputs]),
        "sae": context.sae if arm_module(section).Arm.uses_sae else "",
        "data": digest_json(rows),
    }


def work(context: Context, arm: str) -> Work:
    """Score the arm and write its sample logs; a part that is finished survives an interruption.

    Raises:
        EvaluationError: memory is exhausted, or the evaluation cannot be believed.
    """
    from harness.evaluation.score import evaluate_arm
    from harness.models.base_model import out_of_memory

    home = context.paths.folder(arm)
    key = digest_json([needs(context, arm), __version__, versions(), hardware()["class"]])
    unfinished = home / f"{UNFINISHED}{key[:12]}"
    wanted = context.profile.evaluation.threads
    say_overruled("evaluation.threads", wanted)
    with (
        computing_with(threads(wanted)),
        out_of_memory(EvaluationError, "evaluation.batch_size or evaluation.loss_batch_size"),
    ):
        scored = evaluate_arm(context.profile, context.paths, arm, context.prepared, unfinished)
    return Work(scored.result, scored.files, scratch=list(home.glob(f"{UNFINISHED}*")))


def _check_source(profile: Profile) -> None:
    source = profile.evaluation.source
    if source != profile.data.source:
        raise ProfileError(
            f"evaluation.source is {source} while data.source is {profile.data.source}",
            value=profile.name,
            remedy="give both the same source",
        )
