"""Files of hub repositories: pinned by the lock file, downloaded once, checked against their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, ProfileError, UnavailableError
from harness.sources.hub.pins import Locked, read_lock, write_lock
from harness.sources.hub.repositories import Repository, pin, reason, token

if TYPE_CHECKING:
    from huggingface_hub import RepoFile


class Snapshot(NamedTuple):
    """Files of a repository at one commit, each checked.

    Attributes:
        folder: where they are, in the hub client's own cache; other files may be beside them.
        commit: of the repository.
        files: sha256 by path relative to the folder.
    """

    folder: Path
    commit: str
    files: dict[str, str]


def commit_of(repository: Repository, lock: Path) -> str:
    """The locked commit where its files are here, without a connection; else what the hub says.

    Raises:
        ProfileError: the revision stands for another commit than the lock file has.
        UnavailableError: see `pin`.
    """
    locked = _locked(repository, lock)
    if locked is not None and all(
        (_folder(repository, locked.commit) / name).is_file() for name in locked.files
    ):
        return locked.commit
    commit = pin(repository)
    if locked is not None and commit != locked.commit:
        raise ProfileError(
            f"{repository.revision} of {repository.id} has moved since it was locked",
            value=f"now {commit}, {locked.commit} in {lock}",
            remedy=f'keep the locked one with {repository.used_as} = "{locked.commit}" in the profile, '
            f"or take the new one by deleting the repository's entry in the lock file",
        )
    return commit


def fetch(repository: Repository, commit: str, patterns: Sequence[str], lock: Path) -> Snapshot:
    """The files of a repository that match, from the cache or else from the hub; the lock file then has them.

    A download that broke off goes on where it stopped when the same command is given again.

    Raises:
        DamagedFileError: a file is not what the lock file, or the hub's own list, says.
        UnavailableError: the hub does not give a file.
    """
    locked = _locked(repository, lock)
    known = locked.files if locked is not None and locked.commit == commit else {}
    folder = _folder(repository, commit)
    complete = locked is not None and bool(known) and set(patterns) <= set(locked.patterns)
    names = _matching(known, patterns) if complete else []
    if not complete or not all((folder / name).is_file() for name in names):
        expected = _download(repository, commit, patterns)
        names = sorted(expected)
        for name in names:
            _check_arrived(folder / name, expected[name])
    files = {name: digest_file(folder / name) for name in names}
    for name, sha in files.items():
        if known.get(name, sha) != sha:
            raise _damaged(folder / name, f"sha256 {sha}, {known[name]} in {lock}")
    if not complete:
        _record(repository, commit, patterns, {**known, **files}, lock)
    return Snapshot(folder, commit, files)


def _locked(repository: Repository, lock: Path) -> Locked | None:
    """The lock file's entry, if it is about the revision that the profile names."""
    entry = read_lock(lock).get(repository.id)
    return entry if entry is not None and repository.revision in (entry.revision, entry.commit) else None


def _record(
    repository: Repository, commit: str, patterns: Iterable[str], files: dict[str, str], lock: Path
) -> None:
    whole = read_lock(lock)
    old = _locked(repository, lock)
    asked = {*patterns, *(old.patterns if old is not None and old.commit == commit else [])}
    revision = old.revision if old is not None else repository.revision
    whole[repository.id] = Locked(revision=revision, commit=commit, patterns=sorted(asked), files=files)
    write_lock(lock, whole)


def _folder(repository: Repository, commit: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    name: str = repo_folder_name(repo_id=repository.id, repo_type=repository.kind)
    return Path(str(constants.HF_HUB_CACHE)) / name / "snapshots" / commit


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    from huggingface_hub.utils import filter_repo_objects

    return sorted(filter_repo_objects(names, allow_patterns=list(patterns)))


def _download(repository: Repository, commit: str, patterns: Sequence[str]) -> dict[str, RepoFile]:
    """Bring the files into the hub client's cache; the hub's own list of them."""
    from huggingface_hub import HfApi, RepoFile, snapshot_download

    try:
        tree = HfApi(token=token()).list_repo_tree(
            repository.id, recursive=True, revision=commit, repo_type=repository.kind
        )
        listed = {item.path: item for item in tree if isinstance(item, RepoFile)}
        names = _matching(listed, patterns)
        if names:
            snapshot_download(
                repository.id, revision=commit, repo_type=repository.kind, allow_patterns=names, token=token()
            )
    except Exception as error:  # the hub's client lets several kinds through: its own, httpx', OSError
        raise UnavailableError(
            f"the download of {repository.id} broke off: {reason(error)}",
            value=repository.page,
            remedy="run the same command again: what has arrived is kept; check the network and the disk",
        ) from (None if token() else error)
    if not names:
        raise UnavailableError(
            f"{repository.id} has no file that matches {', '.join(patterns)}",
            value=f"{repository.page}/tree/{commit}",
            remedy=f"correct the profile: {repository.used_as.partition('.')[0]}",
        )
    return {name: listed[name] for name in names}


def _check_arrived(path: Path, expected: RepoFile) -> None:
    """Check a file against the hub's list: by sha256 if LFS keeps it, else by git's object id."""
    if not path.is_file():
        raise _damaged(path, "it did not arrive")
    if expected.lfs is not None:
        found, wanted = digest_file(path), expected.lfs.sha256
    else:
        body = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
        wanted = expected.blob_id
    if found != wanted:
        raise _damaged(path, f"{found}, the hub lists {wanted}")


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(
        "a file from the hub is missing or does not match its digest",
        value=f"{path}: {what}",
        remedy=f"delete {path.resolve()} and run `prepare` again; "
        "if it comes back like this, it was changed on the hub",
    )
