"""The lock: the version of every package, and the sha256 of the files that were tried (`nox -s lock`).

Standard library only: the noxfile's interpreter installs from it before there is an environment.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import ROOT, VERSIONS

HASHES = ROOT / "constraints.sha256"
PORTABLE = ("py3", "py2.py3")
SHA256 = re.compile(r"[0-9a-f]{64}")
WHEEL, SOURCE = r"[\w.]+(?:-[\w.+!]+){4,5}\.whl", r"[\w.-]+-[\w.+!]+\.(?:tar\.gz|zip)"
LINE = re.compile(rf"({SHA256.pattern})  ({WHEEL}|{SOURCE})", re.ASCII)
HEADER = """\
# sha256 of each file that constraints.txt installs on Python 3.11, Linux x86-64 (torch: the CPU build).
# Made by `nox -s lock`; docs/decisions/0032-hashes-of-the-lock.md.
"""


class Release(NamedTuple):
    """A package of one version, its name normalised as an index does."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Distribution(NamedTuple):
    """A file that pip would install, as its report names it."""

    file: str
    sha256: str
    release: Release


def normalised(name: str) -> str:
    """A package's name in lower case, with single hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> set[Release]:
    """The releases that the lines `name==version` pin.

    Raises:
        DamagedFileError: another kind of line.
    """
    found = set()
    for line in text.splitlines():
        name, equal, version = line.partition("#")[0].strip().partition("==")
        if name and not (equal and version):
            raise DamagedFileError(
                "a line of the lock is not `name==version`",
                value=line,
                remedy="pin one version of the package",
            )
        if name:
            found.add(Release(normalised(name), version))
    return found


def release_of(file: str) -> Release:
    """The release that a file name tells, whatever build: `torch-2.13.0+cpu-cp311-...whl` is torch 2.13.0."""
    name, version = _build_of(file)
    return Release(name, version.partition("+")[0])


def _build_of(file: str) -> Release:
    """The same with the local version, which says the build."""
    if file.endswith(".whl"):
        name, version, *_ = file.split("-")
    else:
        name, _, version = re.sub(r"\.(tar\.\w+|zip)$", "", file).rpartition("-")
    return Release(normalised(name), version)


def portable(file: str) -> bool:
    """Whether every machine installs this very file: a source distribution or a wheel without a platform."""
    tags = file.removesuffix(".whl").split("-")[-3:]
    return not file.endswith(".whl") or (tags[0] in PORTABLE and tags[1:] == ["none", "any"])


def read_hashes(path: Path = HASHES) -> dict[str, str]:
    """File name -> sha256, from lines as `sha256sum` writes them.

    Raises:
        MissingInputError: there is no such file.
        DamagedFileError: a line that is not a digest and a name, or a name twice.
    """
    if not path.is_file():
        raise MissingInputError(
            "the hashes of the lock are not there", value=path, remedy="`git checkout` it"
        )
    found: dict[str, str] = {}
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("#") or not line:
            continue
        parts = LINE.fullmatch(line)
        if parts is None or parts[2] in found:
            raise DamagedFileError(
                "a line of the lock's hashes is not one digest and one new file name",
                value=f"{path}, line {number}",
                remedy="`git checkout` the file, or make it again with `nox -s lock`",
            )
        found[parts[2]] = parts[1]
    return found


def write_hashes(found: Mapping[str, str], path: Path = HASHES) -> None:
    """Write the lines, sorted by file name."""
    lines = (f"{digest}  {file}\n" for file, digest in sorted(found.items(), key=lambda one: one[0].lower()))
    path.write_text(HEADER + "".join(lines), encoding="utf-8")


def requirements(files: Mapping[str, str]) -> str:
    """What pip's hash mode takes: a line for each release and build, with the digest of each of its files."""
    by_release: dict[Release, list[str]] = {}
    for file, digest in files.items():
        by_release.setdefault(_build_of(file), []).append(f" --hash=sha256:{digest}")
    return "".join(f"{release}{''.join(found)}\n" for release, found in sorted(by_release.items()))


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
    release = Release(normalised(one["metadata"]["name"]), str(one["metadata"]["version"]))
    return Distribution(_file_name(where["url"]), digest, release)


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def unverified(found: Iterable[Distribution], hashes: Mapping[str, str]) -> list[Distribution]:
    """The files that the lock does not name.

    Raises:
        DamagedFileError: a file that it names, with other contents.
    """
    unknown = []
    for one in found:
        expected = hashes.get(one.file)
        if expected is None:
            unknown.append(one)
        elif expected != one.sha256:
            raise DamagedFileError(
                "a package's file is not the one that the lock names; nothing of it was installed",
                value=f"{one.file}\n    locked:   sha256 {expected}\n    offered:  sha256 {one.sha256}",
                remedy="look at the package index in use (`pip config list`), empty pip's cache "
                "(`pip cache purge`), and ask who changed it; `nox -s lock` only if the new file is meant",
            )
    return unknown


def renew(python: str = sys.executable, versions: Path = VERSIONS, path: Path = HASHES) -> tuple[int, int]:
    """Bring the hashes up to date with the versions: pip is asked about releases without one; hashes of
    releases that are gone are left out.

    Returns:
        How many were added, and how many left out.
    """
    old = read_hashes(path) if path.is_file() else {}
    wanted = pinned(versions.read_text(encoding="utf-8"))
    kept = {file: digest for file, digest in old.items() if release_of(file) in wanted}
    missing = sorted(wanted - {release_of(file) for file in kept})
    new = {}
    if missing:
        asked = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
        done = subprocess.run(
            [*asked, "--report", "-", *map(str, missing)], stdout=subprocess.PIPE, text=True, check=True
        )
        new = {one.file: one.sha256 for one in reported(done.stdout)}
    write_hashes(kept | new, path)
    return len(new), len(old) - len(kept)


if __name__ == "__main__":
    added, left_out = renew()
    print(f"{HASHES.name}: {added} added, {left_out} left out")
