"""A stranger adds an arm and a task by following CONTRIBUTING.md: its files and commands as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def write_files(text: str, folder: Path) -> list[str]:
    """Write each code block that stands under a line with nothing but a file's name."""
    blocks = re.findall(r"^ *`([^`\n]+)`:\n\n( *)```\w+\n(.*?)\n\2```$", text, re.DOTALL | re.MULTILINE)
    for name, _, body in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(body) + "\n", encoding="utf-8")
    return [name for name, _, _ in blocks]


def commands(text: str) -> list[list[str]]:
    """What the blocks of one command give to the harness; `reproduce-table1` is the stages that it runs."""
    found: list[list[str]] = []
    for line in re.findall(r"^ *```\n *(.*?)\n *```$", text, re.MULTILINE):
        program, options = re.split(r" -- | -m harness ", line)
        stages = STAGES if program == "nox -s reproduce-table1" else ("",)
        found += [[*stage.split(), *options.split()] for stage in stages]
    return found


def harness(folder: Path, lines: list[list[str]]) -> None:
    """Run commands of the copy one after the other, in one process, up to the first that fails."""
    run(folder, "-c", f"from harness.__main__ import main; raise SystemExit(any(map(main, {lines!r})))")


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with what the two sections say added, and their commands carried out."""
    folder = tmp_path_factory.mktemp("stranger")
    for name in ("harness", "baselines", "fsrl"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "results").mkdir()
    for path in (ROOT / "results").glob("*.json"):
        shutil.copy(path, folder / "results")
    arm, task = section("Add an arm"), section("Add a task")
    assert write_files(arm, folder) == ["baselines/steering_vector.py", "vector.toml"]
    harness(folder, commands(arm))
    export, *stages = commands(task)
    harness(folder, [export])
    assert "add_to_manifest.py" in write_files(task, folder)
    run(folder, "add_to_manifest.py")
    harness(folder, stages)
    return folder


def test_the_arm_is_trained_and_lowers_the_loss(checkout: Path) -> None:
    outcome = json.loads((checkout / "runs/miniature-vector/report/table1.json").read_text())
    assert outcome["order"] == ["base", "vector"]
    assert outcome["arms"]["vector"]["training"]["moved"]["fraction_changed"] > 0.5
    base, vector = (outcome["arms"][arm]["scores"]["preference.loss"] for arm in ("base", "vector"))
    assert vector["n"] == base["n"] == 32
    assert vector["value"] < base["value"]


def test_the_task_is_a_column_of_table_1(checkout: Path) -> None:
    table = (checkout / "runs/miniature-piqa/report/table1.md").read_text()
    assert "piqa.acc" in table
    outcome = json.loads((checkout / "runs/miniature-piqa/report/table1.json").read_text())
    scores = outcome["arms"]["vector"]["scores"]
    assert scores["piqa.acc"]["n"] == 3
    assert scores["piqa.acc"]["value"] in (0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1)
