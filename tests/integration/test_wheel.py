"""Installed from a wheel: what a run's last stages read is in the package, from an empty folder too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.paths import ROOT

Command = Callable[..., subprocess.CompletedProcess[str]]
PROFILE = """
extends = "miniature-smoke"
name = "wheel"
title = "The base arm alone, a few items"
note = "Shows that the stages find their files."
without = ["arms.full-simpo", "arms.fsrl", "evaluation.tasks.mmlu", "evaluation.tasks.gsm8k"]

[data]
test_pairs = 8

[evaluation.tasks.truthfulqa_mc2]
limit = 4
"""
SOURCES = ("harness", "baselines", "fsrl", "results", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The console script of a fresh environment: the wheel, and of this environment its packages alone."""
    root = tmp_path_factory.mktemp("wheel")
    (root / "source").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, root / "source" / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    wheels = [*offline, "--no-build-isolation", "--wheel-dir", str(root), str(root / "source")]
    subprocess.run([*pip, "wheel", *wheels], check=True, cwd=root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "venv")], check=True)
    python, (wheel,) = root / "venv" / "bin" / "python", root.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", *offline, str(wheel)], check=True, cwd=root)
    (home,) = (root / "venv" / "lib").glob("python*/site-packages")
    (home / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.rmtree(root / "source")
    empty = root / "empty"
    empty.mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(python.with_name("fsrl-bench")), *map(str, arguments)]
        return subprocess.run(command, cwd=empty, env=clean, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_a_run_from_prepare_to_its_page(installed: Command, tmp_path: Path) -> None:
    profile = tmp_path / "base.toml"
    profile.write_text(PROFILE, encoding="utf-8")
    for stage in ("prepare", "train", "evaluate", "analyse", "report", "check", "page"):
        done = installed(stage, "--profile", profile, "--run-dir", tmp_path / "run")
        assert done.returncode == 0, f"{stage}: {done.stdout}{done.stderr}"
    report = tmp_path / "run" / "report"
    assert "Both trained arms have a lower SimPO loss" in (report / "verdicts.md").read_text(encoding="utf-8")
    assert "<h1" in (report / "index.html").read_text(encoding="utf-8")


def test_a_wheel_in_a_checkout_of_something_else_names_no_commit(installed: Command, tmp_path: Path) -> None:
    """An environment often lies in another project's folder, whose commit says nothing of these results."""
    prepared = installed("prepare", "--profile", "miniature-smoke", "--run-dir", tmp_path / "run")
    assert prepared.returncode == 0, prepared.stderr
    provenance = json.loads((tmp_path / "run" / "prepare.json").read_text())["provenance"]
    assert (provenance["commit"], provenance["dirty"]) == (None, None)


def test_a_plan_knows_the_committed_results(installed: Command) -> None:
    planned = installed("plan", "--profile", "miniature")
    assert planned.returncode == 0, planned.stderr
    assert "harness/committed/miniature/" in planned.stdout.replace("\n", "")
