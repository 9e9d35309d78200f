"""The lock: the version of each package and the sha256 of its files, as `uv pip compile` writes them.

Standard library only: the noxfile's interpreter installs from it before there is an environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import ROOT

BUILDS = ROOT / "constraints.builds.txt"
"""Builds of torch that the index's own release does not hold, in the same layout, kept by hand."""
SHA256 = re.compile(r"[0-9a-f]{64}")
ENTRY = re.compile(
    rf"([a-z0-9-]+)==([\w.+!]+)( ; [^\\\n]+)?((?: \\\n    --hash=sha256:{SHA256.pattern})+)\n|#.*\n", re.ASCII
)


class Release(NamedTuple):
    """A package of one version, named as an index does; `2.13.0+cpu` is a version of its own."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Locked(NamedTuple):
    """What the lock says of a release: the machines that want it (` ; marker`), and its files' digests."""

    marker: str
    digests: frozenset[str]


class Distribution(NamedTuple):
    """A file that pip would install, as its report names it."""

    file: str
    sha256: str
    release: Release


Lock = Mapping[Release, Locked]


def normalised(name: str) -> str:
    """A package's name in lower case, with single hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(*paths: Path) -> dict[Release, Locked]:
    """The releases of a lock that is written in these files.

    Raises:
        MissingInputError: a file is not there.
        DamagedFileError: text that is not `name==version` with digests, or a release twice.
    """
    found: dict[Release, Locked] = {}
    for path in paths:
        if not path.is_file():
            raise MissingInputError("the lock is not there", value=path, remedy="`git checkout` it")
        text, place = path.read_text(encoding="utf-8", errors="replace"), 0
        while place < len(text):
            entry = ENTRY.match(text, place)
            release = Release(entry[1], entry[2]) if entry and entry[1] else None
            if entry is None or release in found:
                raise DamagedFileError(
                    "the lock holds something else than releases with their digests, each once",
                    value=f"{path}, line {text.count(chr(10), 0, place) + 1}",
                    remedy="`git checkout` the file, or make it again with `nox -s lock`",
                )
            if release:
                found[release] = Locked(entry[3] or "", frozenset(SHA256.findall(entry[4])))
            place = entry.end()
    return found


def requirements(lock: Lock) -> str:
    """What pip's hash mode takes: a line for each release, with the digest of each of its files."""
    return "".join(
        f"{release}{one.marker}{''.join(f' --hash=sha256:{digest}' for digest in sorted(one.digests))}\n"
        for release, one in lock.items()
    )


def reported(report: str) -> list[Distribution]:
    """The files of pip's installation report; one installed from a folder (this project) has none.

    Raises:
        DamagedFileError: pip does not say which file, or not its digest.
    """
    try:
        install = json.loads(report)["install"]
        return [_distribution(one) for one in install if "dir_info" not in one["download_info"]]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            "pip's report of what it would install cannot be read",
            value=f"{type(error).__name__}: {error}",
            remedy="use the pip of this project's Python versions (22.2 or later, `pip --version`)",
        ) from error


def _distribution(one: dict[str, Any]) -> Distribution:
    where, archive = one["download_info"], one["download_info"].get("archive_info", {})
    digest = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
    if not SHA256.fullmatch(digest):
        raise DamagedFileError(
            "pip gives no sha256 for a file",
            value=where["url"],
            remedy="empty pip's cache (`pip cache purge`), which may hold a build of unknown origin",
        )
    file = unquote(urlsplit(where["url"]).path).rpartition("/")[2]
    return Distribution(
        file, digest, Release(normalised(one["metadata"]["name"]), str(one["metadata"]["version"]))
    )


def unverified(found: Iterable[Distribution], lock: Lock) -> list[Distribution]:
    """The files of releases that the lock does not hold.

    Raises:
        DamagedFileError: a file of a release that it holds, with other contents.
    """
    for one in found:
        locked = lock[one.release].digests if one.release in lock else [one.sha256]
        if one.sha256 not in locked:
            raise DamagedFileError(
                "a package's file is none of those that the lock names; nothing of it was installed",
                value=f"{one.file}\n    offered:  sha256 {one.sha256}"
                + "".join(f"\n    locked:   sha256 {digest}" for digest in sorted(locked)),
                remedy="look at the package index in use (`pip config list`), empty pip's cache "
                "(`pip cache purge`), and ask who changed it; `nox -s lock` only if the new file is meant",
            )
    return [one for one in found if one.release not in lock]
