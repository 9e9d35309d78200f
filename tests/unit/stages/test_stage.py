"""A finished stage is reused; a changed input, output or schema makes it run again; a folder has one user."""

from __future__ import annotations

import sys
import threading
import time
import types
from concurrent import futures
from pathlib import Path

import pytest
from filelock import FileLock
from report_toys import Run

from harness.core.errors import ProfileError, RunFolderError, TrainingError
from harness.core.paths import RunPaths
from harness.core.results import Record
from harness.profiles.profile import Profile
from harness.stages.inputs import Context
from harness.stages.stage import Work, held, run_stage


class Counted(Record):
    runs: int


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A stage that counts how often its work ran and writes one file an arm."""
    module = types.ModuleType("harness.stages.toy")
    state = {"runs": 0, "input": "1", "fail": False}

    def needs(context: Context, arm: str) -> dict[str, str]:
        return {"input": str(state["input"])}

    def work(context: Context, arm: str) -> Work:
        if state["fail"]:
            raise TrainingError("the loss is not a number", remedy="lower the learning rate")
        state["runs"] = int(state["runs"]) + 1
        file = context.paths.folder(arm) / "out.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{arm}")
        return Work(Counted(runs=int(state["runs"])), [file])

    vars(module).update(PER_ARM=True, needs=needs, work=work, state=state)
    monkeypatch.setitem(sys.modules, "harness.stages.toy", module)
    return module


def test_a_finished_stage_is_reused(toy: types.ModuleType, profile: Profile, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    first = run_stage("toy", profile, paths, "fsrl")
    assert run_stage("toy", profile, paths, "fsrl") == first
    assert toy.state["runs"] == 1


def test_without_an_arm_all_arms_run(toy: types.ModuleType, profile: Profile, tmp_path: Path) -> None:
    assert [a.arm for a in run_stage("toy", profile, RunPaths(root=tmp_path))] == list(profile.arms)


@pytest.mark.parametrize("damage", ["input", "output", "gone", "artefact"])
def test_what_has_changed_runs_again(
    toy: types.ModuleType, profile: Profile, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = RunPaths(root=tmp_path)
    run_stage("toy", profile, paths, "fsrl")
    run_stage("toy", profile, paths, "base")
    if damage == "input":
        toy.state["input"] = "2"
    if damage == "output":
        (tmp_path / "fsrl" / "out.txt").write_text("bent")
    if damage == "gone":
        (tmp_path / "fsrl" / "out.txt").unlink()
    if damage == "artefact":
        paths.stage("toy", "fsrl").write_text("{")
    run_stage("toy", profile, paths, "fsrl")
    assert toy.state["runs"] == 3
    assert "running again" in capsys.readouterr().err
    if damage != "input":
        run_stage("toy", profile, paths, "base")
        assert toy.state["runs"] == 3, "the other arm does not depend on the damage"


def test_a_failure_leaves_no_artefact(toy: types.ModuleType, profile: Profile, tmp_path: Path) -> None:
    toy.state["fail"] = True
    with pytest.raises(TrainingError):
        run_stage("toy", profile, RunPaths(root=tmp_path), "fsrl")
    assert not RunPaths(root=tmp_path).stage("toy", "fsrl").exists()


def test_two_runs_in_one_folder_are_refused(toy: types.ModuleType, profile: Profile, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(RunFolderError, match="another run"):
        run_stage("toy", profile, RunPaths(root=tmp_path), "fsrl")


def test_a_finished_stage_is_read_while_another_run_holds_the_folder(
    toy: types.ModuleType, profile: Profile, tmp_path: Path
) -> None:
    first = run_stage("toy", profile, RunPaths(root=tmp_path), "fsrl")
    with FileLock(tmp_path / ".lock"):
        assert run_stage("toy", profile, RunPaths(root=tmp_path), "fsrl") == first
        toy.state["input"] = "2"
        with pytest.raises(RunFolderError, match="another run"):
            run_stage("toy", profile, RunPaths(root=tmp_path), "fsrl")
    assert toy.state["runs"] == 1


def test_commands_that_read_wait_for_one_another_and_keep_others_out(tmp_path: Path) -> None:
    inside: list[str] = []

    def read(name: str) -> None:
        with held(tmp_path, reads=True):
            inside.append(f"{name} in")
            time.sleep(0.2)
            with pytest.raises(RunFolderError, match="another run"), held(tmp_path):
                pass
            inside.append(f"{name} out")

    readers = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    first, second = inside[0][0], inside[2][0]
    assert inside == [f"{first} in", f"{first} out", f"{second} in", f"{second} out"]
    assert {first, second} == {"a", "b"}
    with held(tmp_path), pytest.raises(RunFolderError, match="another run"), held(tmp_path, reads=True):
        pass


def test_two_reports_at_once_are_both_shown(made_run: Run) -> None:
    """Both read the same finished stages; one makes the report, the other reuses it."""
    made_run.analysed()
    with futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_stage, "report", made_run.profile, made_run.paths) for _ in range(2)]
    first, second = (job.result()[0] for job in jobs)
    assert first == second


def test_a_file_in_place_of_the_folder_is_refused(
    toy: types.ModuleType, profile: Profile, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be used"):
        run_stage("toy", profile, RunPaths(root=tmp_path / "file" / "run"), "fsrl")


def test_an_unknown_arm_is_refused_before_any_work(
    toy: types.ModuleType, profile: Profile, tmp_path: Path
) -> None:
    with pytest.raises(ProfileError, match="no such arm"):
        run_stage("toy", profile, RunPaths(root=tmp_path), "lora")
    assert list(tmp_path.iterdir()) == []
