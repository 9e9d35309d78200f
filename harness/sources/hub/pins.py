"""The lock file beside a profile: the commit that each hub repository stood at, and sha256 of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.core.artefact import write_json
from harness.core.documents import Strict, read_model
from harness.core.errors import HarnessError, RunFolderError

LOCK_VERSION = 1


class Locked(Strict):
    """What is known of a repository.

    Attributes:
        revision: branch, tag or commit that the profile named.
        commit: what it stood for.
        patterns: the files that were asked for, as globs.
        files: sha256 of each of them by path in the repository.
    """

    revision: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    patterns: list[str]
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


class LockFile(Strict):
    """The whole file: repositories by id."""

    version: Annotated[int, Field(ge=LOCK_VERSION, le=LOCK_VERSION)] = LOCK_VERSION
    repositories: dict[str, Locked] = Field(default_factory=dict)


def read_lock(path: Path) -> dict[str, Locked]:
    """The repositories of a lock file; none where there is no file yet.

    Raises:
        DamagedFileError: it is not a lock file.
    """
    if not path.is_file():
        return {}
    remedy = "restore it from version control, or delete it: `prepare` then pins everything anew"
    return read_model(path, LockFile, what="the lock file", remedy=remedy).repositories


def write_lock(path: Path, repositories: dict[str, Locked]) -> None:
    """Write a lock file atomically.

    Raises:
        RunFolderError: its folder cannot be written.
    """
    whole = LockFile(repositories=repositories)
    try:
        write_json(path, whole.model_dump(mode="json"))
    except HarnessError as error:
        raise RunFolderError(
            error.cause,
            value=path,
            remedy="copy the profile into a folder of your own and name its .toml file with --profile",
        ) from error
