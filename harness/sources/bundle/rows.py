"""A bundled miniature's rows: drawn from the world's seed, not stored, and held to the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.artefact import write_bytes
from harness.core.errors import DamagedFileError
from harness.miniature.dataset import data_files, described
from harness.miniature.manifest import REMEDY
from harness.miniature.world import make_world
from harness.sources.bundle.files import Bundle, read_bundle
from harness.sources.cache import Part, made_once, place


def bundle_rows(bundle: Bundle) -> Part:
    """The data root of a bundle, drawn at the first call (about a second) and kept in the user's cache.

    Raises:
        DamagedFileError: what is drawn here is not what the manifest says; the message names the file.
        RunFolderError: the cache cannot be written or the disk is full.
    """
    drawn: dict[str, dict[str, Any]] = bundle.manifest["drawn"]

    def make(folder: Path) -> dict[str, Any]:
        seed = int(bundle.manifest["seed"])
        files = data_files(make_world(seed))
        found = described(files)
        for path in sorted(found.keys() | drawn.keys()):
            if found.get(path) != drawn.get(path):
                cause = "the rows drawn from the world's seed are not those of the miniature's manifest"
                raise DamagedFileError(cause, value=path, remedy=REMEDY)
        for path, body in files.items():
            write_bytes(folder / path, body)
        return {"seed": seed}

    return made_once(place("worlds", drawn), make)


def data_root(name: str = "miniature") -> Path:
    """The folder of a bundle's rows by the bundle's name."""
    return bundle_rows(read_bundle(name)).folder
