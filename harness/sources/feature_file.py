"""Where a profile's feature descriptions are."""

from __future__ import annotations

from pathlib import Path

from harness.core.artefact import digest_file
from harness.core.errors import MissingInputError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.bundle.files import read_bundle


def features_file(profile: Profile, paths: RunPaths) -> Path | None:
    """The file that the profile names; None where it names none.

    Raises:
        MissingInputError: no data root was given, or the file is not there.
    """
    section = profile.features
    if section.source == "none":
        return None
    if section.source == "bundle":
        return read_bundle(profile.model.id).root / "features.jsonl"
    path = None if paths.data_root is None else paths.data_root / section.file
    if path is None or not path.is_file():
        raise MissingInputError(
            "the file of feature descriptions is missing",
            value=path or "no data root",
            remedy="give the folder that holds it with --data-root DIR",
        )
    return path


def features_digest(profile: Profile, paths: RunPaths) -> str:
    """sha256 of the file; empty where there is none."""
    path = features_file(profile, paths)
    return "" if path is None else digest_file(path)
