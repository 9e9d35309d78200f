"""The committed miniatures: model, SAE and world, each file checked against the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from harness.core.errors import ProfileError
from harness.miniature.manifest import BUNDLES, verify


class Bundle(NamedTuple):
    """A verified bundle.

    Attributes:
        root: its folder, with `model` and `sae` below.
        files: sha256 by path relative to the root.
        manifest: the manifest without its list of files.
    """

    root: Path
    files: dict[str, str]
    manifest: dict[str, Any]

    def part(self, name: str) -> dict[str, str]:
        """sha256 of the files below one folder, by path relative to that folder."""
        return {path[len(name) + 1 :]: sha for path, sha in self.files.items() if path.startswith(f"{name}/")}


def read_bundle(name: str) -> Bundle:
    """A bundle, every file of it checked against its manifest.

    Raises:
        ProfileError: no bundle has that name.
        MissingInputError: the manifest or a file is not there.
        DamagedFileError: the manifest is not one, or a file is not what it says; the message names the file.
    """
    if name not in BUNDLES:
        raise ProfileError(
            "no such bundle", value=name, remedy=f"set model.id to one of: {', '.join(BUNDLES)}"
        )
    root = BUNDLES[name]
    manifest = verify(root)
    files = {path: entry["sha256"] for path, entry in manifest.pop("files").items()}
    return Bundle(root, files, manifest)
