"""`python -m harness sweep`: the sweeps of a profile alone, without the arms before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, get_args

from typer import Option

from harness.core.artefact import Artefact
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.findings.sweep import Axis
from harness.profiles.profile import Profile
from harness.stages.stage import run_stage
from harness.stages.study import run_studies

AXES: tuple[Axis, ...] = get_args(Axis)


def run(
    profile: Profile,
    paths: RunPaths,
    axis: Annotated[Axis | None, Option(help="sweep this one only (default: both)")] = None,
) -> list[Artefact]:
    """Makes the sweeps of one axis or of both; finished points are reused.

    Reads what `prepare` makes (it runs where it is missing), preference pairs. Writes
    studies/sweep-<axis>.json and sweep/<axis>/, a run folder of each point.

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
