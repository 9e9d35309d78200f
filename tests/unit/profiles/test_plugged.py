"""A plug-in's code is an input of the stages that run it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

from baselines import full_simpo
from harness.profiles.plugged import code_of


def test_a_plug_in_that_changes_is_another_input(tmp_path: Path) -> None:
    """A finished training of a plug-in was reused after its file had changed."""
    module = ModuleType("my_package.my_arm")
    module.__file__ = str(tmp_path / "my_arm.py")
    Path(module.__file__).write_text("one = 1\n")
    before = code_of(module)
    assert before == {"code of my_package.my_arm": hashlib.sha256(b"one = 1\n").hexdigest()}
    Path(module.__file__).write_text("one = 2\n")
    assert code_of(module) != before


def test_the_projects_own_code_counts_by_its_version() -> None:
    assert code_of(full_simpo) == {}
