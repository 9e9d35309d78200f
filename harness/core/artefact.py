"""Schema-versioned JSON artefacts: written atomically, validated on read and on write, digested."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.core.documents import read_result
from harness.core.errors import MissingInputError
from harness.core.folders import writing

SCHEMA_VERSION = 1


class Artefact(BaseModel):
    """The record that one stage writes.

    Attributes:
        schema_version: the version of this layout.
        stage, arm: which stage wrote it, for which arm (None: for the whole run).
        key: digest of everything that determines the result; an equal key means "need not run again".
        profile: the resolved profile, whole.
        inputs: digest of each input by name.
        outputs: sha256 of each file that the stage wrote, by path relative to the run folder.
        provenance: versions, device, commit, seeds.
        wall_s: seconds the stage took.
        result: what the stage found; its layout is the stage's type in `harness.core.results`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    stage: str
    arm: str | None = None
    key: str
    profile: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    provenance: dict[str, Any]
    wall_s: float
    result: dict[str, Any]


def digest_json(value: object) -> str:
    """sha256 of a value's canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes.

    Raises:
        MissingInputError: the file is not there.
    """
    if not path.is_file():
        raise MissingInputError("a file is missing", value=path, remedy="run the stage that makes it again")
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_tree(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by POSIX path relative to it, in sorted order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never a part.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """The same for bytes.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    with writing("cannot write the file", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)


def take_over(paths: Iterable[Path], folder: Path) -> int:
    """Copy files into a folder under their own names, each whole or not at all; how many they were.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    found = sorted(paths)
    for path in found:
        write_bytes(folder / path.name, path.read_bytes())
    return len(found)


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically: two-space indent, sorted keys, NaN and infinity refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_artefact(path: Path, artefact: Artefact) -> None:
    """Validate an artefact once more and write it atomically."""
    checked = Artefact.model_validate(artefact.model_dump())
    write_json(path, checked.model_dump(mode="json"))


def read_artefact(path: Path, *, made_by: str) -> Artefact:
    """Read and validate an artefact.

    Args:
        made_by: the command that makes the file, for the error message.

    Raises:
        MissingInputError: it is not there.
        DamagedFileError: it is not JSON, has another schema version or another layout.
    """
    return read_result(path, Artefact, what="an earlier result", made_by=made_by)
