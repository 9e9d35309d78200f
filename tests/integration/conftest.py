"""Fixtures of the integration tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import SECRET, Hub
from loopback import running
from study_toys import finish, small, steer_at_random

from harness.core.artefact import read_artefact
from harness.core.paths import RunPaths
from harness.findings import parse_finding
from harness.stages.stage import run_stage
from harness.stages.study import run_studies


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub without repositories; the client's settings point at it and at an empty cache."""
    from huggingface_hub import constants

    with running(Hub(SECRET)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield server


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A small run, evaluated, whose adapter steers at random."""
    paths, profile = RunPaths(root=tmp_path_factory.mktemp("studies") / "run"), small()
    run_stage("prepare", profile, paths)
    finish(profile, paths, "base", [])
    steer_at_random(profile, paths, 1)
    run_stage("evaluate", profile, paths)
    return paths


@pytest.fixture(scope="session")
def studied(trained: RunPaths) -> dict[str, Any]:
    """Every study's result of that run, by name."""
    run_studies(small(), trained, [])
    names = small().studies
    return {
        name: parse_finding(read_artefact(trained.stage(f"studies/{name}"), made_by="").result, where=name)
        for name in names
    }


@pytest.fixture
def copy(trained: RunPaths, studied: object, tmp_path: Path) -> RunPaths:
    """That run, to be changed."""
    return RunPaths(root=Path(shutil.copytree(trained.root, tmp_path / "run", symlinks=True)))
