"""The lint session's bounds on files and functions, on trees made by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "sizes.py"
LONG = "def f() -> None:\n" + "    print()\n" * 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree at its bounds: a file of 300 lines, a function of 60."""
    (tmp_path / "harness" / "core").mkdir(parents=True)
    (tmp_path / "harness" / "core" / "whole.py").write_text("\n" * 300)
    (tmp_path / "noxfile.py").write_text(LONG.removesuffix("    print()\n"))
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def said(root: Path, **reasons: str) -> str:
    """What the script prints of the tree; empty where it passes."""
    lines = "".join(f'"{name}" = "{reason}"\n' for name, reason in reasons.items())
    (root / "pyproject.toml").write_text(f"[tool.fsrl-bench.sizes]\n{lines}")
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, timeout=60)
    assert done.returncode == bool(done.stderr)
    return done.stderr


def test_a_tree_at_its_bounds_passes(root: Path) -> None:
    assert said(root) == ""


def test_a_file_of_301_lines_is_refused_without_a_reason(root: Path) -> None:
    (root / "harness" / "core" / "whole.py").write_text("\n" * 301)
    assert "harness/core/whole.py has 301 lines" in said(root)
    assert "harness/core/whole.py" in said(root, **{"harness/core/whole.py": ""})
    assert said(root, **{"harness/core/whole.py": "one table of data"}) == ""


@pytest.mark.parametrize("path", ["noxfile.py", "tests/deep/test_it.py"])
def test_a_function_of_61_lines_is_refused_without_a_reason(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"class C:\n    {LONG}".replace("\n    print", "\n        print"))
    assert f"{path}: f has 61 lines" in said(root)
    assert said(root, **{f"{path}: f": "one formula"}) == ""


def test_a_reason_for_what_is_not_too_long_is_refused(root: Path) -> None:
    for stale in ("harness/core/whole.py", "noxfile.py: f", "harness/gone.py"):
        assert f"{stale} is not too long" in said(root, **{stale: "it was once"})


def test_this_project_keeps_its_bounds() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
