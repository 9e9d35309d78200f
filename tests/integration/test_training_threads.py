"""Two trainings with other numbers of threads: other keys, each number on record, the profile's counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_toys as toys

from harness.core.artefact import Artefact
from harness.core.errors import StaleError
from harness.core.paths import RunPaths
from harness.stages.inputs import Context
from harness.stages.stage import run_stage, up_to_date

pytestmark = pytest.mark.slow


def trained(paths: RunPaths, **training: Any) -> Artefact:
    (artefact,) = run_stage("train", toys.profile(**training), paths, "full-simpo")
    return artefact


def test_other_threads_are_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = toys.prepared_run(tmp_path, toys.profile())
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    two = trained(paths)
    assert two.result["facts"]["threads"] == 2
    assert trained(paths, threads=2).key == two.key
    assert "reused" in capsys.readouterr().err
    with monkeypatch.context() as other:
        other.setenv("OMP_NUM_THREADS", "1")
        with pytest.raises(StaleError, match=r"inputs have changed \(threads\)"):
            up_to_date("train", Context(toys.profile(), paths), "full-simpo")
    one = trained(paths, threads=1)
    assert "training.threads = 1 in the profile stands" in capsys.readouterr().err
    assert one.result["facts"]["threads"] == 1
    assert one.key != two.key
