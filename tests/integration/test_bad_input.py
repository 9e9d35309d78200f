"""Bad input ends in one screen with cause and remedy and a non-zero exit, and damages nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError, RunFolderError
from harness.miniature.manifest import BUNDLE
from harness.profiles.toml_file import PROFILES

SMOKE = (PROFILES / "miniature-smoke.toml").read_text()
SCREEN = 24


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Run the command line, hold it to its exit code and to one screen, and give what it printed."""
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert "remedy:" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= SCREEN
    return said


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled miniature that a test may damage."""
    copy = tmp_path / "bundle"
    shutil.copytree(BUNDLE, copy)
    monkeypatch.setitem(sys.modules["harness.sources.bundle.files"].BUNDLES, "miniature", copy)
    return copy


def test_a_typo_in_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "typo.toml"
    profile.write_text(SMOKE.replace("max_grad_norm", "max_grad_nrom"))
    said = refused(
        capsys, ProfileError.exit_code, "train", "--profile", str(profile), "--run-dir", str(tmp_path / "run")
    )
    assert "training.max_grad_nrom: unknown key" in said
    assert "max_grad_norm" in said
    assert not (tmp_path / "run").exists()


def test_an_unknown_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert "miniature" in refused(capsys, ProfileError.exit_code, "prepare", "--profile", "gemma")


@pytest.mark.parametrize("name", ["model/model.safetensors", "sae/sae_weights.safetensors"])
def test_a_truncated_weight_file(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    weights = bundle / name
    weights.write_bytes(weights.read_bytes()[:1000])
    run = tmp_path / "run"
    said = refused(
        capsys, DamagedFileError.exit_code, "prepare", "--profile", "miniature-smoke", "--run-dir", str(run)
    )
    assert weights.name in said
    assert not (run / "prepare.json").exists()


def test_a_file_that_the_bundle_lacks(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "features.jsonl").unlink()
    said = refused(
        capsys,
        MissingInputError.exit_code,
        "prepare",
        "--profile",
        "miniature-smoke",
        "--run-dir",
        str(tmp_path / "run"),
    )
    assert "features.jsonl" in said


@pytest.mark.parametrize("stage", ["train", "evaluate", "analyse", "report", "check"])
def test_a_stage_without_the_one_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    said = refused(capsys, MissingInputError.exit_code, stage, "--run-dir", str(tmp_path / "run"))
    assert "python -m harness" in said


def test_a_task_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "task.toml"
    profile.write_text(SMOKE.replace("[evaluation.tasks.mmlu]", "[evaluation.tasks.mmmlu]"))
    run = ("--profile", str(profile), "--run-dir", str(tmp_path / "run"))
    code = main(["prepare", *run])
    if code == 0:
        assert main(["train", *run, "--arm", "base"]) == 0
        code = main(["evaluate", *run, "--arm", "base"])
    said = capsys.readouterr().err
    assert code in (ProfileError.exit_code, MissingInputError.exit_code)
    assert "mmmlu" in said
    assert "remedy:" in said
    assert not (tmp_path / "run" / "base" / "evaluate.json").exists()


def test_a_run_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("mine")
    said = refused(
        capsys,
        RunFolderError.exit_code,
        "prepare",
        "--profile",
        "miniature-smoke",
        "--run-dir",
        str(tmp_path / "run"),
    )
    assert "--run-dir" in said
    assert (tmp_path / "run").read_text() == "mine"


def test_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.core.artefact.os.fsync", full)
    run = tmp_path / "run"
    said = refused(
        capsys, RunFolderError.exit_code, "prepare", "--profile", "miniature-smoke", "--run-dir", str(run)
    )
    assert "No space left" in said
    assert not list(run.glob("*.json"))


def test_help_teaches_and_does_not_import_torch() -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['harness', '--help']\n"
        "try:\n    runpy.run_module('harness', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert 'torch' not in sys.modules, 'help imported torch'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for stage in ("prepare", "train", "evaluate", "analyse", "report", "check", "regress"):
        assert stage in done.stdout


def test_what_prepare_writes_is_whole(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["prepare", "--profile", "miniature-smoke", "--run-dir", str(run)]) == 0
    artefact = json.loads((run / "prepare.json").read_text())
    assert artefact["stage"] == "prepare"
    assert artefact["profile"]["name"] == "miniature-smoke"
    assert artefact["result"]["files"]
