"""Things that are made once and kept: a folder appears whole or not at all, with a list of its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError

from harness.core.artefact import digest_file, digest_json, digest_tree, write_json
from harness.core.documents import read_json
from harness.core.errors import DamagedFileError
from harness.core.folders import whole_folder, writing
from harness.sources.progress import quiet

MADE = "made.json"


class Part(NamedTuple):
    """A folder that a run uses.

    Attributes:
        folder: where it is.
        files: sha256 of each file used, by path relative to it.
        facts: what its maker found.
    """

    folder: Path
    files: dict[str, str]
    facts: dict[str, Any]


def cache_home() -> Path:
    """`fsrl-bench` in the user's cache folder; on Linux that of XDG_CACHE_HOME, else ~/.cache."""
    return user_cache_path("fsrl-bench", appauthor=False)


def place(kind: str, determined_by: object) -> Path:
    """The folder in the cache of something that plain data determine."""
    return cache_home() / kind / digest_json(determined_by)[:16]


def made_once(folder: Path, make: Callable[[Path], dict[str, Any]]) -> Part:
    """The folder as it was made; where it is not there yet, `make` quietly fills one and gives its facts.

    Raises:
        DamagedFileError: a file of the folder is missing, or not what it was when it was made.
        RunFolderError: the cache cannot be written or the disk is full.
    """
    remedy = "free disk space, or name another cache folder with the variable XDG_CACHE_HOME"
    with writing("cannot write the cache", folder, remedy, SafetensorError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not folder.exists():
                _remove_leftovers(folder)
                with whole_folder(folder) as new, quiet():
                    facts = make(new)
                    write_json(new / MADE, {"files": digest_tree(new), "facts": facts})
    return _checked(folder)


def _checked(folder: Path) -> Part:
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
    return Part(folder, expected, made["facts"])


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left; this folder is locked, so no other process works in it."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
