"""Files that a profile names one by one: the feature descriptions, and those in arms' options."""

from __future__ import annotations

from pathlib import Path

from harness.arm import arm_files
from harness.core.artefact import digest_file
from harness.core.errors import MissingInputError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.bundle.files import read_bundle
from harness.sources.data_root import HOW, present


def arm_digests(profile: Profile, paths: RunPaths) -> dict[str, str]:
    """sha256 of the files in arms' options, such as a feature mask, by name below the data root.

    They lie there whatever the rows' source is; a manifest need not list them.

    Raises:
        MissingInputError: no data root was given, or a file is not there.
        DataError: a path leads out of the data root.
        ProfileError: an arm refuses its options.
    """
    names = sorted({file for name, section in profile.arms.items() for file in arm_files(section, name)})
    named_by = "an arm's options name"
    return {name: digest_file(present(open_folder(paths), name, named_by, "add it")) for name in names}


def open_folder(paths: RunPaths) -> Path:
    """The folder that `--data-root` names; it needs no manifest for these files.

    Raises:
        MissingInputError: none was named.
    """
    if paths.data_root is None:
        raise MissingInputError(
            "an arm's options name a file below the data root, but no data root was given", remedy=HOW
        )
    return paths.data_root


def features_file(profile: Profile, paths: RunPaths) -> Path | None:
    """The file of feature descriptions that the profile names; None where it names none.

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
    """sha256 of the file of feature descriptions; empty where there is none."""
    path = features_file(profile, paths)
    return "" if path is None else digest_file(path)
