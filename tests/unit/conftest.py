"""Fixtures of the unit tests: a run made by hand, analysed, reported, with its page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_toys import classified_by, findings, put
from report_toys import Run, at

from harness.commands import page
from harness.core.artefact import write_artefact
from harness.findings.outcome import Outcome
from harness.profiles.profile import Profile, load_profile
from harness.stages.stage import run_stage


@pytest.fixture(autouse=True)
def _no_committed_prompts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The committed prompts are those of real runs, not of the one made by hand."""
    monkeypatch.setattr("harness.stages.check.snapshot_path", lambda _profile: tmp_path / "none.json")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tests copy: analysing and rendering take a second."""
    root = tmp_path_factory.mktemp("template") / "run"
    run = Run(load_profile("miniature"), root).analysed()
    run_stage("report", run.profile, run.paths)
    return root


@pytest.fixture(scope="session")
def template_outcome(template: Path) -> Outcome:
    return at(load_profile("miniature"), template).outcome()


@pytest.fixture(scope="session")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with every study and its page."""
    root = Path(shutil.copytree(template, tmp_path_factory.mktemp("page") / "run"))
    run = at(load_profile("miniature"), root)
    for name, result in findings().items():
        put(run, name, result)
    write_artefact(run.paths.classification / "local.json", classified_by(run, "local"))
    run_stage("report", run.profile, run.paths)
    page.run(run.profile, run.paths, committed=False, save=False)
    return run


@pytest.fixture(scope="session")
def html(made: Run) -> str:
    return (made.paths.report / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def made_run(profile: Profile, tmp_path: Path) -> Run:
    """A run that is trained and evaluated, and nothing more."""
    return Run(profile, tmp_path / "run")


@pytest.fixture
def reported(template: Path, profile: Profile, tmp_path: Path) -> Run:
    """The same run with its analysis and its report."""
    return at(profile, Path(shutil.copytree(template, tmp_path / "run")))


@pytest.fixture
def outcome(template_outcome: Outcome) -> Outcome:
    """The outcome of that run; frozen, so that tests can share it."""
    return template_outcome


@pytest.fixture
def changed(outcome: Outcome) -> Callable[..., Outcome]:
    """The outcome with an arm's fields replaced: `changed("fsrl", mean_l0=1.0)`."""

    def change(arm: str, **fields: Any) -> Outcome:
        arms = {**outcome.arms, arm: outcome.arms[arm].model_copy(update=fields)}
        return outcome.model_copy(update={"arms": arms})

    return change
