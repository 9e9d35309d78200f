"""Stage `study`: analyses of the trained arms after Table 1, one artefact for each study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.arm import arm_module
from harness.core.artefact import Artefact, digest_json
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.core.threads import computing_with, say_overruled, threads
from harness.findings.features import read_features
from harness.profiles.profile import Profile
from harness.sources.named_files import features_digest, features_file
from harness.stages import train
from harness.stages.inputs import STUDIES, Context, command, first_changed, read_once
from harness.stages.stage import Work, held, run_one
from harness.study import Study, StudyScene, in_order, study_config, study_module


@dataclass
class One:
    """One study of a profile, in the shape of a stage."""

    name: str
    PER_ARM: bool = False

    def needs(self, context: Context, arm: str) -> dict[str, str]:  # noqa: ARG002
        """Digests of everything that determines the study.

        Raises:
            MissingInputError: an arm was not trained or evaluated, or a study that it reads has not run.
            ProfileError: the profile does not know the study or its arm, or the study refuses its options.
        """
        profile = context.profile
        section = profile.study(self.name)
        module = study_module(section)
        found = {
            "study": study_input(profile, self.name),
            "layout": str(module.LAYOUT),
            "model": context.model,
            "sae": context.sae,
            "test pairs": context.test_pairs,
            "objective": context.objective,
            "seed": digest_json(profile.training.seed),
            "threads": str(threads(profile.evaluation.threads)),
            "features": features_digest(profile, context.paths),
        }
        if trains(module):
            found |= training_inputs(context, section.arm)
        else:
            for name in profile.arms if module.ALL_ARMS else (section.arm,):
                found |= arm_inputs(context, name)
        for name in module.READS:
            read = context.finished(f"{STUDIES}{name}")
            found[f"reads {name}"] = digest_json([read.result, read.outputs])
        return found

    def work(self, context: Context, arm: str) -> Work:  # noqa: ARG002
        """Make the study."""
        profile, paths = context.profile, context.paths
        section, path = profile.study(self.name), features_file(profile, paths)
        module = study_module(section)
        scene = StudyScene(
            profile=profile,
            paths=paths,
            arm=section.arm,
            prepared=context.prepared,
            features={} if path is None else read_features(path),
            reads={name: context.finished(f"{STUDIES}{name}").result for name in module.READS},
            folder=paths.studies,
        )
        say_overruled("evaluation.threads", profile.evaluation.threads)
        with computing_with(threads(profile.evaluation.threads)):
            found = module.run(study_config(section, self.name), scene)
        return Work(found.result, found.files)


def run_studies(profile: Profile, paths: RunPaths, wanted: Sequence[str]) -> list[Artefact]:
    """Make the wanted studies, or all of the profile, and before them those that they build on.

    Raises:
        ProfileError: the profile has no such study, or none at all.
        HarnessError: any error of a study.
    """
    if not profile.studies:
        raise ProfileError(
            "the profile has no studies", value=profile.name, remedy="add tables [studies.NAME] to it"
        )
    names = in_order(profile, list(wanted) or list(profile.studies))
    for name in names:
        study_config(profile.study(name), name)
        _refuse_unsteered(profile, profile.study(name).arm)
    with held(paths.root):
        return [run_one(f"{STUDIES}{name}", One(name), Context(profile, paths)) for name in names]


def study_input(profile: Profile, name: str) -> str:
    """Digest of a study's own table of the profile."""
    section, config = profile.study(name), study_config(profile.study(name), name)
    return digest_json([section.module, section.arm, config.model_dump(mode="json")])


def arm_inputs(context: Context, arm: str) -> dict[str, str]:
    """Digests of an arm's weights and of its scores on the test pairs."""
    options = context.profile.arm(arm).options
    return {
        f"arm {arm}": digest_json([options, context.trained(arm).outputs]),
        f"scores {arm}": digest_json(context.evaluated(arm).result["preference"]),
    }


def trains(module: Study) -> bool:
    """Whether a study trains arms of its own, and so needs none that is trained."""
    return bool(getattr(module, "TRAINS", False))


def training_inputs(context: Context, arm: str) -> dict[str, str]:
    """Digests of what determines the training of an arm, for a study that trains others like it."""
    return {f"training: {name}": digest for name, digest in train.needs(context, arm).items()}


def current(context: Context) -> dict[str, Artefact]:
    """The finished studies of a run, in the profile's order.

    One that was made of other weights, other scores or other options than the run now has, or whose files
    changed since, is not among them: nothing may mix two runs.

    Raises:
        DamagedFileError: an artefact cannot be read.
    """
    profile, found = context.profile, {}
    for name in profile.studies:
        path = context.paths.stage(f"{STUDIES}{name}")
        if path.is_file():
            artefact = read_once(path, command(f"{STUDIES}{name}", profile))
            if first_changed(artefact, context.paths) is None and not _outdated(context, name, artefact):
                found[name] = artefact
    return found


def _outdated(context: Context, name: str, artefact: Artefact) -> bool:
    wanted = context.profile.evaluation.threads
    now = {"study": study_input(context.profile, name), "threads": str(threads(wanted))}
    for arm in context.profile.arms:
        if f"arm {arm}" in artefact.inputs:
            now |= arm_inputs(context, arm)
    if any(key.startswith("training: ") for key in artefact.inputs):
        now |= training_inputs(context, context.profile.study(name).arm)
    return any(artefact.inputs.get(key, digest) != digest for key, digest in now.items())


def _refuse_unsteered(profile: Profile, arm: str) -> None:
    if not getattr(arm_module(profile.arm(arm)).Arm, "steers_features", False):
        raise ProfileError(
            "a study needs an arm that steers SAE features", value=arm, remedy="name another arm in its table"
        )
