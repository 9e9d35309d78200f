"""Fixtures that every test may use: golden numbers, real rows, hand-made profiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.profiles.profile import Profile, load_profile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
BESIDE = Path(__file__).parent.parent.parent / "shared"


def _folder(variable: str, beside: str) -> Path:
    folder = Path(os.environ.get(variable, BESIDE / beside))
    if not folder.is_dir():
        pytest.skip(f"needs the folder that {variable} names")
    return folder


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Numbers made by the paper's authors' code; skips where they are not there."""
    return _folder("HARNESS_GOLDEN_DIR", "golden")


@pytest.fixture(scope="session")
def real_data_root() -> Path:
    """Rows of the real benchmarks and preference pairs; skips where they are not there."""
    return _folder("HARNESS_DATA_ROOT", "real-data")


@pytest.fixture
def profile() -> Profile:
    """The bundled miniature profile."""
    return load_profile("miniature")
