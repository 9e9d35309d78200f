"""`python -m harness sweep`: the sweeps of a profile alone, without the arms before them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.artefact import Artefact
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.stages.stage import run_stage
from harness.stages.study import run_studies

SUMMARY = "Train and score one adapter for each alpha and each layer that the profile sweeps (Figure 4)."
READS = "what `prepare` makes (it runs where it is missing), preference pairs"
WRITES = "studies/sweep-<axis>.json, sweep/<axis>/, a run folder of each point"
AXES = ("alpha", "layer")


def run(profile: Profile, paths: RunPaths, axis: str | None) -> list[Artefact]:
    """Make the sweeps of one axis or of both; finished points are reused.

    Raises:
        ProfileError: the profile has no such sweep.
        HarnessError: any error of `prepare`, a training or the scoring; finished points are kept.
    """
    names = sweeps(profile, (axis,) if axis else AXES)
    run_stage("prepare", profile, paths)
    return run_studies(profile, paths, names)


def sweeps(profile: Profile, axes: Sequence[str]) -> list[str]:
    """The profile's studies that sweep one of the axes.

    Raises:
        ProfileError: there is none.
    """
    names = [name for name, one in profile.studies.items() if one.options.get("axis") in axes]
    if not names:
        raise ProfileError(
            f"the profile has no sweep of {' or '.join(axes)}",
            value=profile.name,
            remedy="add a table [studies.sweep-alpha] with module = 'fsrl.analysis.sweep' to it",
        )
    return names
