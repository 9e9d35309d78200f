"""The launcher's settings, its process group and its errors, without DeepSpeed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import training_toys as toys

from harness.core.errors import DataError, TrainingError, UnavailableError, UsageError
from harness.profiles.profile import load_profile
from harness.training import launch
from harness.training.exchange import Exchange, TrainSpec


@pytest.fixture
def spec(tmp_path: Path) -> TrainSpec:
    used = toys.profile()
    return toys.order(toys.prepared_run(tmp_path, used), used, engine=None)


def test_settings_name_no_optimizer_and_no_scheduler() -> None:
    settings = launch.engine_settings(load_profile("miniature"))
    assert not {"optimizer", "scheduler"} & settings.keys()
    assert settings["zero_optimization"] == {"stage": 1}
    assert settings["gradient_clipping"] == 1.0
    assert settings["bf16"] == {"enabled": False}
    assert settings["train_micro_batch_size_per_gpu"] * settings["gradient_accumulation_steps"] == 16


def test_settings_follow_dtype_clipping_and_offload() -> None:
    used = toys.profile(model__dtype="bfloat16", max_grad_norm=0.0, offload_optimizer=True)
    settings = launch.engine_settings(used)
    assert settings["bf16"] == {"enabled": True}
    assert settings["gradient_clipping"] == 0.0
    assert settings["zero_optimization"]["offload_optimizer"]["device"] == "cpu"


def test_threads_are_shared_by_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert [launch.threads_per_rank(ranks) for ranks in (1, 2, 16)] == [8, 4, 1]
    for said, threads in (("2,1", 2), (" 3 , 2", 3), ("04", 4), ("  ", len(os.sched_getaffinity(0)))):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert launch.threads_per_rank(1) == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert launch.threads_per_rank(1) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("said", ["two", "0", "-2", "2.0", "2,", ",2", "2 1", "2,0", "\u0662", "9" * 5000])
def test_threads_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    with pytest.raises(UsageError, match="OMP_NUM_THREADS is not a number of threads") as caught:
        launch.threads_per_rank(1)
    assert caught.value.value == said
    assert "2,1" in caught.value.remedy


def run_instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def command(exchange: Exchange, ranks: int) -> list[str]:
        return [sys.executable, "-c", code, str(exchange.folder)]

    monkeypatch.setattr(launch, "_command", command)


def test_a_process_that_dies_silently_is_an_error_with_its_last_line(
    spec: TrainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, "print('first'); print('it broke'); raise SystemExit(3)")
    with pytest.raises(TrainingError, match="exit code 3") as caught:
        launch.launch(spec, 1, "test")
    assert caught.value.value == "it broke"


def test_a_process_that_leaves_no_result_is_an_error(
    spec: TrainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, "pass")
    with pytest.raises(TrainingError, match="exit code 0 and left no result"):
        launch.launch(spec, 1, "test")


def test_the_workers_error_comes_back_as_it_was(spec: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(Path(spec.folder))
    exchange.write_error(DataError("row refused", value="line 3", remedy="remove it"))
    exchange.write_error(TrainingError("what follows from it", remedy="-"))
    run_instead(monkeypatch, "raise SystemExit(6)")
    with pytest.raises(DataError, match="row refused") as caught:
        launch.launch(spec, 1, "test")
    assert (caught.value.value, caught.value.remedy) == ("line 3", "remove it")


def test_nothing_of_the_group_outlives_an_interrupt(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "log"

    def interrupted() -> None:
        with (
            log.open("wb") as stream,
            launch._started([sys.executable, "-c", code], dict(os.environ), stream),
        ):
            while not log.read_text().strip():
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _gone(int(log.read_text()))


def _gone(pid: int, patience_s: float = 5.0) -> bool:
    """Whether a process has ended (a zombie that nobody has reaped yet has)."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_gpus_are_chosen_among_the_visible_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert launch._devices(1) == ["--include", "localhost:3"]
    assert launch._devices(2) == ["--include", "localhost:3,5"]
    with pytest.raises(UnavailableError, match="wants 4 GPUs"):
        launch._devices(4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-abc")
    with pytest.raises(UnavailableError, match="by number"):
        launch._devices(1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert launch._devices(2) == ["--num_gpus", "2"]


def test_a_half_written_line_of_progress_is_not_read(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    assert launch._last_note(exchange) is None
    exchange.note(done=1, total=2, loss=0.5, tokens=7)
    with exchange.progress.open("a") as stream:
        stream.write('{"done": 2, "to')
    assert launch._last_note(exchange) == {"done": 1, "total": 2, "loss": 0.5, "tokens": 7}
