"""One uninterrupted run that the faults are compared with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fault_toys import Bench, tiny_profile


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The arms base and fsrl, trained and evaluated without a disturbance."""
    root = tmp_path_factory.mktemp("whole")
    bench = Bench(tiny_profile(root), root / "run")
    bench.do("prepare")
    for arm in ("base", "fsrl"):
        bench.do("train", "--arm", arm)
        bench.do("evaluate", "--arm", arm)
    return bench


@pytest.fixture
def copy(whole: Bench, tmp_path: Path) -> Bench:
    """A copy of that run which a test may damage."""
    shutil.copytree(whole.run, tmp_path / "run", symlinks=True)
    return Bench(whole.profile, tmp_path / "run")
