"""Where a result comes from: commit, versions, device, lock file, seed. Needs no torch."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import __version__
from harness.core.artefact import digest_file
from harness.core.paths import CHECKOUT, LOCK, ROOT, UNVERIFIED

PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "lm-eval",
    "sae-lens",
    "transformer-lens",
    "deepspeed",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "scipy",
    "statsmodels",
)


def provenance(seed: int) -> dict[str, Any]:
    """Everything that is recorded with every artefact.

    Returns:
        `harness` (version), `commit`, `dirty`, `versions` (by package), `python`, `platform`, `hardware`
        (`class`, `device`, `cores`, `memory_gib`, `driver`), `seed`, `date` (the day in UTC), `lock_sha256`,
        `unverified_files` (installed without a hash in the lock); None where there is nothing to know.
    """
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "harness": __version__,
        "commit": commit,
        "dirty": None if status is None else bool(status),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "hardware": hardware(),
        "seed": seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "lock_sha256": digest_file(LOCK) if LOCK.is_file() else None,
        "unverified_files": unverified_files(),
    }


def unverified_files(environment: Path = Path(sys.prefix)) -> list[str] | None:
    """Names of the installed files whose release the lock does not hold; None where nothing is known, because
    `harness.environment.shared` did not make the environment."""
    path = environment / UNVERIFIED
    if not path.is_file():
        return None
    return [one["file"] for one in json.loads(path.read_text(encoding="utf-8"))]


@functools.cache
def versions() -> dict[str, str]:
    """Installed version of each package that can change a number."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


@functools.cache
def hardware() -> dict[str, Any]:
    """The machine: a class that results are filed under, and its details.

    The class is `cpu-<machine>-<cores>c` or `<gpu name>-x<count>`, lower case.
    """
    gpus = _gpus()
    cores = len(os.sched_getaffinity(0))
    name = f"cpu-{platform.machine()}-{cores}c"
    if gpus:
        name = f"{gpus[0][0]}-x{len(gpus)}".lower().replace(" ", "-")
    return {
        "class": name,
        "device": gpus[0][0] if gpus else _cpu_model(),
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "driver": gpus[0][1] if gpus else None,
    }


def _gpus() -> list[tuple[str, str]]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    rows = (
        [line.split(",") for line in done.stdout.splitlines() if "," in line] if done.returncode == 0 else []
    )
    return [(name.strip(), driver.strip()) for name, driver in rows]


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    """A git command's output in the checkout, or None where there is no git, no checkout or no commit."""
    if shutil.which("git") is None or not CHECKOUT:  # a wheel may lie inside another project's checkout
        return None
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.strip() if done.returncode == 0 else None
