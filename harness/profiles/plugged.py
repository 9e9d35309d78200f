"""Loads a module that a profile names, from baselines/, fsrl/ or a plug-in only, and checks its options."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.core.artefact import digest_file
from harness.core.errors import ProfileError
from harness.profiles.sections import PluggedSection

HOMES = ("baselines", "fsrl")
ENTRY_POINTS = "fsrl_bench.arms"


def code_of(module: Any) -> dict[str, str]:
    """sha256 of a plug-in's file, as an input of the stages that run it; nothing for the project's own
    modules, whose version is in every key."""
    file = getattr(module, "__file__", None)
    if module.__name__.split(".")[0] in HOMES or file is None:
        return {}
    return {f"code of {module.__name__}": digest_file(Path(file))}


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
            f"a module that the profile names cannot be imported ({error})",
            value=name,
            remedy="correct `module` in that table of the profile",
        ) from error
    for needed in defines:
        if not hasattr(module, needed):
            raise ProfileError(
                f"the module does not define {needed}",
                value=name,
                remedy="see harness/arm.py and harness/study.py",
            )
    return module


def plugged_config(module: Any, section: PluggedSection, what: str, table: str) -> Any:
    """A section's own keys, checked by the `Config` of its module.

    Args:
        what, table: what the section describes, and its dotted path in the profile, for the message.

    Raises:
        ProfileError: an unknown key or a bad value.
    """
    try:
        return module.Config.model_validate(section.options)
    except ValidationError as error:
        faults = "; ".join(f"{table}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ProfileError(
            f"the {what} refuses its options: {faults}",
            value=section.options,
            remedy=f"see Config in {section.module}",
        ) from error
