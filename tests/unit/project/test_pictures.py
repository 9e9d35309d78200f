"""The picture of the idea is what its script draws, and its bars have the lengths of the counted parts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from harness.profiles.profile import load_profile
from harness.sources.synthetic.shapes import shape_of

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


@pytest.fixture(scope="module")
def idea() -> ModuleType:
    spec = importlib.util.spec_from_file_location("idea", PICTURES / "idea.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_the_committed_one(idea: ModuleType) -> None:
    for name, files in idea.drawn().items():
        assert files["svg"] == (PICTURES / f"{name}.svg").read_bytes()


def test_the_bars_are_the_parts_of_the_papers_run(idea: ModuleType) -> None:
    shape = shape_of(load_profile("gemma-2-2b"))
    assert shape.base_parameters == idea.MODEL
    assert shape.sae_parameters == idea.SAE
    assert shape.adapter_parameters == idea.ADAPTER
