"""What a study is, and how a profile's study is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from harness.core.documents import Strict
from harness.findings.features import Feature
from harness.profiles.plugged import plugged_config, plugged_module

if TYPE_CHECKING:
    from harness.core.paths import RunPaths
    from harness.core.results import PrepareResult, Record
    from harness.profiles.profile import Profile
    from harness.profiles.sections import StudySection


class Options(Strict):
    """A study's own keys in a profile."""


class StudyScene(NamedTuple):
    """What a study may know of the run.

    Attributes:
        arm: the arm that is studied.
        prepared: where the run's inputs are.
        features: what is known of the features, by id; empty where nothing is.
        reads: the results of the studies that this one builds on, by name, as their artefacts hold them.
        folder: where this study's files belong.
    """

    profile: Profile
    paths: RunPaths
    arm: str
    prepared: PrepareResult
    features: dict[int, Feature]
    reads: dict[str, Any]
    folder: Path

    def feature(self, index: int) -> Feature:
        """What is known of a feature; an empty description where nothing is."""
        return self.features.get(index, Feature("", ()))


class Found(NamedTuple):
    """What a study leaves: a type of `harness.findings`, and the files that it wrote into its folder."""

    result: Record
    files: tuple[Path, ...] = ()


class Study(Protocol):
    """A module that studies a trained arm. Importing it must not import torch.

    Attributes:
        SUMMARY: one line.
        LAYOUT: raised when the meaning of the result changes; that makes finished studies stale.
        READS: studies that must be finished before.
        ALL_ARMS: whether it reads every arm of the profile, not only its own.

    One with `TRAINS = True` trains arms like its own instead of reading it (`harness.stages.study.trains`).
    """

    SUMMARY: str
    LAYOUT: int
    READS: tuple[str, ...]
    ALL_ARMS: bool
    Config: Any

    def run(self, config: Any, scene: StudyScene) -> Found: ...


def study_module(section: StudySection) -> Study:
    """Import the module of a study, if it may be imported at all.

    Raises:
        ProfileError: a module outside the two packages and the installed plug-ins, or without a study in it.
    """
    return cast(Study, plugged_module(section.module, ("SUMMARY", "LAYOUT", "READS", "Config", "run")))


def study_config(section: StudySection, name: str) -> Any:
    """Validate a study's own keys with its `Config`.

    Raises:
        ProfileError: an unknown key or a bad value.
    """
    return plugged_config(study_module(section), section, "study", f"studies.{name}")


def in_order(profile: Profile, wanted: list[str]) -> list[str]:
    """The wanted studies and those they build on, each once and after what it reads.

    Raises:
        ProfileError: a study that the profile does not have.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered:
            for needed in study_module(profile.study(name)).READS:
                visit(needed)
            ordered.append(name)

    for name in wanted:
        visit(name)
    return ordered
