"""From an arm's name in a profile to the object that plays it."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from harness.contract import Scene
from harness.errors import ProfileError

if TYPE_CHECKING:
    from harness.contract import Arm, PrepareResult
    from harness.profile import Profile
    from harness.profile_sections import ArmSection

HOMES = ("baselines", "fsrl")
ENTRY_POINTS = "fsrl_bench.arms"


def load_arm(profile: Profile, name: str, scene: Scene) -> Arm:
    """The arm, configured and not yet attached to a model.

    Raises:
        ProfileError: unknown arm, a module outside the two packages and the installed plug-ins, or options
            that the
            arm's `Config` refuses.
    """
    section = profile.arm(name)
    module = arm_module(section)
    return cast("Arm", module.Arm(arm_config(section, name), scene))


def arm_files(section: ArmSection, name: str) -> tuple[str, ...]:
    """Names, below the data root, of the files that an arm's options name."""
    return tuple(getattr(arm_config(section, name), "files", ()))


def scene(profile: Profile, prepared: PrepareResult) -> Scene:
    """What every arm of a run may know, from what `prepare` found."""
    return Scene(
        sae_dir=Path(prepared.sae_dir),
        sae=profile.sae,
        model_digest=prepared.digest("model"),
        sae_digest=prepared.digest("sae"),
        seed=profile.training.seed,
    )


def arm_module(section: ArmSection) -> Any:
    """Import the module that defines an arm, if it may be imported at all."""
    return plugged_module(section.module, ("Config", "Arm"))


def plugged_module(name: str, defines: tuple[str, ...]) -> Any:
    """Import a module that a profile names: of baselines/, of fsrl/ or of an installed plug-in.

    Raises:
        ProfileError: it sits elsewhere, cannot be imported, or does not define what it must.
    """
    plugins = {point.value.split(":")[0] for point in metadata.entry_points(group=ENTRY_POINTS)}
    if name.split(".")[0] not in HOMES and name not in plugins:
        raise ProfileError(
            "an arm's module must sit in baselines/ or fsrl/, or be named by an installed distribution's "
            f"entry point in the group {ENTRY_POINTS}",
            value=name,
            remedy="move the module, or install the distribution that provides it",
        )
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ProfileError(
            f"the arm's module cannot be imported ({error})",
            value=name,
            remedy="correct `module` in that table of the profile",
        ) from error
    for needed in defines:
        if not hasattr(module, needed):
            raise ProfileError(
                f"the module does not define {needed}", value=name, remedy="see harness/contract.py"
            )
    return module


def arm_trains(section: ArmSection) -> bool:
    """Whether the arm has a training stage; needs no torch."""
    return bool(arm_module(section).Arm.trains)


def arm_config(section: ArmSection, name: str) -> Any:
    """Validate an arm's own keys with its `Config`."""
    try:
        return arm_module(section).Config.model_validate(section.options)
    except ValidationError as error:
        faults = "; ".join(f"arms.{name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ProfileError(
            f"the arm refuses its options: {faults}",
            value=section.options,
            remedy=f"see Config in {section.module}",
        ) from error
