"""Tests lie where their name says: `tests/unit/<room>/test_<module>.py`, for a module of that room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "tests" / "unit"
WHOLE = "project"  # properties of the whole, such as security


def room(folder: Path) -> Path:
    """The package that a folder of unit tests is about; `fsrl/` and `baselines/` lie beside the harness."""
    parts = folder.relative_to(UNIT).parts
    return ROOT.joinpath(*(() if parts[:1] in (("fsrl",), ("baselines",)) else ("harness",)), *parts)


def names_a_module(test: Path) -> bool:
    """`test_steer_model.py` is about `steer`, as `test_steer.py` is."""
    subject = test.stem.removeprefix("test_")
    modules = {path.stem for path in room(test.parent).iterdir()}
    return any(subject == module or subject.startswith(f"{module}_") for module in modules)


TESTS = [path for path in sorted(UNIT.rglob("test_*.py")) if path.parent.name != WHOLE]


@pytest.mark.parametrize("test", TESTS, ids=lambda path: str(path.relative_to(UNIT)))
def test_a_test_file_names_a_module_of_its_room(test: Path) -> None:
    assert room(test.parent).is_dir(), f"{room(test.parent)} is no room"
    assert names_a_module(test)


def test_every_test_that_the_documents_name_exists() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    named = set(re.findall(r"tests/[\w/]+(?:\.py)?", text))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
