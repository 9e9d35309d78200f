"""Fixtures of the tests of fsrl/."""

from __future__ import annotations

from pathlib import Path

import pytest
from fsrl_toys import toy_scene, write_sae

from harness.arm import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return toy_scene(write_sae(tmp_path / "sae"))
