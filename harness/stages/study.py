"""Stage `study`: analyses of the trained arms after Table 1, one artefact for each study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.arm import arm_module
from harness.core.artefact import Artefact, digest_json
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.findings.features import read_features
from harness.profiles.profile import Profile
from harness.sources.feature_file import features_digest, features_file
from harness.stages import train
from harness.stages.stage import STUDIES, Work, finished, held, prepared_inputs, run_one
from harness.study import Study, StudyScene, in_order, study_config, study_module


@dataclass
class One:
    """One study of a profile, in the shape of a stage."""

    name: str
    PER_ARM: bool = False

    def needs(self, profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]:  # noqa: ARG002
        """Digests of everything that determines the study.

        Raises:
            MissingInputError: an arm was not trained or evaluated, or a study that it reads has not run.
            ProfileError: the profile does not know the study or its arm, or the study refuses its options.
        """
        section = profile.study(self.name)
        module = study_module(section)
        prepared = prepared_inputs(profile, paths)
        data = profile.data
        found = {
            "study": study_input(profile, self.name),
            "layout": str(module.LAYOUT),
            "model": digest_json([profile.model.model_dump(mode="json"), prepared.digest("model")]),
            "sae": digest_json([profile.sae.model_dump(mode="json"), prepared.digest("sae")]),
            "test pairs": digest_json(
                [
                    data.model_dump(mode="json", exclude={"train", "train_pairs"}),
                    prepared.files[f"data/{data.test}"],
                ]
            ),
            "objective": digest_json([profile.training.beta, profile.training.gamma, profile.training.seed]),
            "features": features_digest(profile, paths),
        }
        if trains(module):
            found |= training_inputs(profile, paths, section.arm)
        else:
            for name in profile.arms if module.ALL_ARMS else (section.arm,):
                found |= arm_inputs(profile, paths, name)
        for name in module.READS:
            read = finished(f"{STUDIES}{name}", profile, paths)
            found[f"reads {name}"] = digest_json([read.result, read.outputs])
        return found

    def work(self, profile: Profile, paths: RunPaths, arm: str | None) -> Work:  # noqa: ARG002
        """Make the study."""
        section = profile.study(self.name)
        module, path = study_module(section), features_file(profile, paths)
        scene = StudyScene(
            profile=profile,
            paths=paths,
            arm=section.arm,
            prepared=prepared_inputs(profile, paths),
            features={} if path is None else read_features(path),
            reads={name: finished(f"{STUDIES}{name}", profile, paths).result for name in module.READS},
            folder=paths.studies,
        )
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
        return [run_one(f"{STUDIES}{name}", One(name), profile, paths, None) for name in names]


def study_input(profile: Profile, name: str) -> str:
    """Digest of a study's own table of the profile."""
    section, config = profile.study(name), study_config(profile.study(name), name)
    return digest_json([section.module, section.arm, config.model_dump(mode="json")])


def arm_inputs(profile: Profile, paths: RunPaths, arm: str) -> dict[str, str]:
    """Digests of an arm's weights and of its scores on the test pairs."""
    trained, scored = (finished(stage, profile, paths, arm) for stage in ("train", "evaluate"))
    return {
        f"arm {arm}": digest_json([profile.arm(arm).options, trained.outputs]),
        f"scores {arm}": digest_json(scored.result["preference"]),
    }


def trains(module: Study) -> bool:
    """Whether a study trains arms of its own, and so needs none that is trained."""
    return bool(getattr(module, "TRAINS", False))


def training_inputs(profile: Profile, paths: RunPaths, arm: str) -> dict[str, str]:
    """Digests of what determines the training of an arm, for a study that trains others like it."""
    return {f"training: {name}": digest for name, digest in train.needs(profile, paths, arm).items()}


def outdated(profile: Profile, paths: RunPaths, name: str, artefact: Artefact) -> bool:
    """Whether a study was made of other weights, other scores or other options than the run now has."""
    now = {"study": study_input(profile, name)}
    for arm in profile.arms:
        if f"arm {arm}" in artefact.inputs:
            now |= arm_inputs(profile, paths, arm)
    if any(key.startswith("training: ") for key in artefact.inputs):
        now |= training_inputs(profile, paths, profile.study(name).arm)
    return any(artefact.inputs.get(key, digest) != digest for key, digest in now.items())


def _refuse_unsteered(profile: Profile, arm: str) -> None:
    if not arm_module(profile.arm(arm)).Arm.uses_sae:
        raise ProfileError(
            "a study needs an arm that steers SAE features", value=arm, remedy="name another arm in its table"
        )
