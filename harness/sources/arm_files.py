"""Files that arms' options name, such as a feature mask: below the data root, whatever the rows' source."""

from __future__ import annotations

from pathlib import Path

from harness.arm import arm_files
from harness.core.artefact import digest_file
from harness.core.errors import MissingInputError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.data_root import HOW, present


def arm_digests(profile: Profile, paths: RunPaths) -> dict[str, str]:
    """sha256 by name, below the data root; a manifest need not list them.

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
