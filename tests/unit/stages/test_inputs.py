"""A stage's inputs: each artefact is read once in a process, and a changed one is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_toys import PREPARED, Run

from harness.core.artefact import Artefact, read_artefact, write_artefact
from harness.core.errors import MissingInputError, StaleError
from harness.profiles.profile import Profile
from harness.stages import inputs
from harness.stages.inputs import Context, read_once
from harness.stages.stage import load_stage, refuse_stale, run_stage, up_to_date


@pytest.fixture
def run(profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of every stage whose artefacts by hand name the inputs that they have."""
    monkeypatch.setattr("harness.stages.check.snapshot_path", lambda _profile: tmp_path / "none.json")
    made = Run(profile, tmp_path / "run")
    files = {f"data/{name}": "0" * 64 for name in (profile.data.train, profile.data.test)}
    made.put("prepare", None, PREPARED.model_copy(update={"files": files}), [])
    for stage in ("prepare", "train", "evaluate"):
        for arm in profile.arms if load_stage(stage).PER_ARM else [""]:
            path = made.paths.stage(stage, arm)
            needed = load_stage(stage).needs(Context(profile, made.paths), arm)
            write_artefact(path, read_artefact(path, made_by="a test").model_copy(update={"inputs": needed}))
    for stage in ("analyse", "report", "check"):
        run_stage(stage, profile, made.paths)
    return made


def test_a_warm_check_reads_each_artefact_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs._READ.clear()
    read: list[str] = []

    def counted(path: Path, *, made_by: str) -> Artefact:
        read.append(path.relative_to(run.paths.root).as_posix())
        return read_artefact(path, made_by=made_by)

    monkeypatch.setattr(inputs, "read_artefact", counted)
    capsys.readouterr()
    refuse_stale("check", run.profile, run.paths)
    run_stage("check", run.profile, run.paths)
    assert "check: reused" in capsys.readouterr().err
    arms = [f"{arm}/{stage}.json" for arm in run.profile.arms for stage in ("train", "evaluate")]
    assert sorted(read) == sorted(
        [*arms, *(f"{name}.json" for name in ("prepare", "analyse", "report", "check"))]
    )


def test_a_result_whose_inputs_have_changed_is_refused(run: Run) -> None:
    training = run.profile.training.model_copy(update={"seed": 7})
    other = run.profile.model_copy(update={"training": training})
    refuse_stale("train", other, run.paths)
    with pytest.raises(
        StaleError, match=r"train is out of date: its inputs have changed \(training\)"
    ) as failure:
        refuse_stale("evaluate", other, run.paths)
    assert "train --profile miniature --arm full-simpo" in failure.value.remedy


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_another_machine_makes_numbers_anew_and_reads_old_ones(
    run: Run, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another torch, or another instruction set, rounds otherwise; a report only reads."""
    context = Context(run.profile, run.paths)
    before = load_stage(stage).needs(context, "fsrl")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    after = load_stage(stage).needs(context, "fsrl")
    assert after == before | {"machine: ATEN_CPU_CAPABILITY": "default"}
    with pytest.raises(StaleError, match="machine: ATEN_CPU_CAPABILITY"):
        up_to_date(stage, context, "fsrl")
    assert up_to_date(stage, context, "fsrl", anywhere=True)
    refuse_stale("report", run.profile, run.paths)


def test_an_artefact_that_was_written_again_is_read_again(run: Run) -> None:
    path = run.paths.stage("prepare")
    old = read_once(path, "a test")
    assert read_once(path, "a test") is old
    write_artefact(path, old.model_copy(update={"key": "p" * len(old.key)}))  # as long as before
    assert read_once(path, "a test").key == "p" * len(old.key)


def test_a_file_that_prepare_did_not_bring_is_named(run: Run) -> None:
    with pytest.raises(MissingInputError, match=r"masks\.json"):
        Context(run.profile, run.paths).file("masks.json")
