"""Things that are made once and kept: a folder appears whole or not at all, with a list of its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError

from harness.core.artefact import digest_file, digest_tree, write_json
from harness.core.documents import read_json
from harness.core.errors import DamagedFileError
from harness.core.folders import whole_folder, writing

MADE = "made.json"


class Cached(NamedTuple):
    """A folder that was made once.

    Attributes:
        folder: where it is.
        files: sha256 of each file by path relative to it.
        facts: what its maker found.
    """

    folder: Path
    files: dict[str, str]
    facts: dict[str, Any]


def cache_home() -> Path:
    """`fsrl-bench` in the user's cache folder; on Linux that of XDG_CACHE_HOME, else ~/.cache."""
    return user_cache_path("fsrl-bench", appauthor=False)


def made_once(folder: Path, make: Callable[[Path], dict[str, Any]]) -> Cached:
    """The folder as it was made; where it is not there yet, `make` fills an empty one and gives its facts.

    Raises:
        DamagedFileError: a file of the folder is not what it was when it was made.
        RunFolderError: the cache cannot be written or the disk is full.
    """
    remedy = "free disk space, or name another cache folder with the variable XDG_CACHE_HOME"
    with writing("cannot write the cache", folder, remedy, SafetensorError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not folder.exists():
                _remove_leftovers(folder)
                with whole_folder(folder) as new:
                    facts = make(new)
                    write_json(new / MADE, {"files": digest_tree(new), "facts": facts})
    return read_cached(folder)


def read_cached(folder: Path) -> Cached:
    """A folder that `made_once` made, every file checked.

    Raises:
        DamagedFileError: a file is missing, added or changed.
    """
    remedy = f"delete the folder {folder} and run `prepare` again"
    if not (folder / MADE).is_file():
        raise DamagedFileError(
            "a folder of the cache has no list of files", value=folder / MADE, remedy=remedy
        )
    made = read_json(folder / MADE, made_by="prepare")
    expected: dict[str, str] = made["files"]
    for name, sha in expected.items():
        path = folder / name
        if not path.is_file() or digest_file(path) != sha:
            raise DamagedFileError("a file of the cache is missing or changed", value=path, remedy=remedy)
    return Cached(folder, expected, made["facts"])


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left; this folder is locked, so no other process works in it."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
