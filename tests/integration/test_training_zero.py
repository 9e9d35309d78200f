"""Training through DeepSpeed's real launcher: equal to plain PyTorch, over ranks, and clean when it fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from math import log
from pathlib import Path

import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file

from harness.core.errors import TrainingError
from harness.core.paths import RunPaths
from harness.core.results import TrainResult
from harness.profiles.profile import Profile
from harness.stages import train
from harness.stages.inputs import Context
from harness.training import launch, worker
from harness.training.exchange import Exchange


@pytest.fixture(autouse=True)
def _one_thread_and_global_state_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def launched(root: Path, used: Profile) -> tuple[TrainResult, dict[str, torch.Tensor], RunPaths]:
    paths = toys.prepared_run(root, used)
    done = train.work(Context(used, paths), "full-simpo")
    assert isinstance(done.result, TrainResult)
    return done.result, load_file(paths.weights("full-simpo") / "model.safetensors"), paths


def plain(root: Path, used: Profile) -> tuple[TrainResult, dict[str, torch.Tensor]]:
    spec = toys.order(toys.prepared_run(root, used), used, engine=None)
    exchange = Exchange(Path(spec.folder))
    return worker.train(spec, exchange), load_file(exchange.weights / "model.safetensors")


def close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], atol: float) -> None:
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        torch.testing.assert_close(tensor, b[name], atol=atol, rtol=0, msg=name)


def test_zero_1_equals_plain_training(tmp_path: Path) -> None:
    used = toys.profile(epochs=2)
    zero, zero_weights, paths = launched(tmp_path / "zero", used)
    alone, alone_weights = plain(tmp_path / "plain", used)
    assert zero.facts["engine_optimizer"] == "DeepSpeedZeroOptimizer"
    assert alone.facts["engine_optimizer"] is None
    assert zero.steps == alone.steps == 4
    assert zero.loss_trace == pytest.approx(alone.loss_trace, abs=1e-5)
    assert zero.learning_rate_trace == pytest.approx(alone.learning_rate_trace, rel=1e-6)
    assert zero.facts["grad_norm_trace"] == pytest.approx(alone.facts["grad_norm_trace"], rel=1e-4)
    close(zero_weights, alone_weights, atol=1e-5)
    assert zero.moved is not None
    assert zero.moved.fraction_changed > 0.9
    assert zero.max_grad_norm == 1.0
    left = [path.name for path in paths.folder("full-simpo").iterdir() if "checkpoints-" not in path.name]
    assert left == ["weights"], "the checkpoints go once the stage's artefact is written"


def test_weights_that_do_not_move_reach_the_parent_as_an_error(tmp_path: Path) -> None:
    used = toys.profile()
    still = used.arm("full-simpo").model_copy(update={"learning_rate": 1e-12})
    used = used.model_copy(update={"arms": {**used.arms, "full-simpo": still}})
    paths = toys.prepared_run(tmp_path, used)
    with pytest.raises(TrainingError, match="of the trained weights changed"):
        train.work(Context(used, paths), "full-simpo")
    assert [path.name for path in paths.folder("full-simpo").iterdir()] == ["train.log"]


def test_two_ranks_of_one_pair_equal_one_rank_of_two(tmp_path: Path) -> None:
    one, one_weights, _ = launched(tmp_path / "one", toys.profile())
    two, two_weights, _ = launched(tmp_path / "two", toys.profile(pairs_per_device=1, ranks=2))
    assert two.facts["ranks"] == 2
    assert two.loss_trace == pytest.approx(one.loss_trace, abs=1e-5)
    assert two.usage is not None
    assert one.usage is not None
    assert two.usage.tokens == one.usage.tokens
    close(two_weights, one_weights, atol=1e-5)


def test_ranks_share_pairs_that_do_not_come_out_even(tmp_path: Path) -> None:
    """5 pairs, 4 a step: the second step's one pair goes to rank 0, and rank 1 adds nothing."""
    some = {"data__train_pairs": 5, "epochs": 1, "warmup_ratio": 0.0}
    alone, alone_weights = plain(tmp_path / "plain", toys.profile(pairs_per_device=4, accumulation=1, **some))
    two, weights, _ = launched(
        tmp_path / "two", toys.profile(pairs_per_device=2, accumulation=1, ranks=2, **some)
    )
    assert two.steps == alone.steps == 2
    assert two.loss_trace == pytest.approx(alone.loss_trace, abs=1e-5)
    assert two.facts["grad_norm_trace"] == pytest.approx(alone.facts["grad_norm_trace"], rel=1e-4)
    assert two.usage is not None
    assert alone.usage is not None
    assert two.usage.tokens == alone.usage.tokens
    close(weights, alone_weights, atol=1e-5)


@pytest.mark.parametrize("offload", [False, True], ids=["on the device", "offloaded"])
def test_float32_masters_move_at_the_papers_rate(tmp_path: Path, offload: bool) -> None:
    """At 2e-7 nine in ten master entries move, while bfloat16 weights alone stay where they are."""
    used = toys.profile(model__dtype="bfloat16", epochs=4, minimum_moved=0.9, offload_optimizer=offload)
    used.arms["full-simpo"].model_extra["learning_rate"] = 2e-7  # type: ignore[index]
    result, weights, _ = launched(tmp_path / "zero", used)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert result.facts["engine"]["bf16"] == {"enabled": True}
    assert ("offload_optimizer" in result.facts["engine"]["zero_optimization"]) is offload
    assert result.moved is not None
    assert result.saved_moved is not None
    assert result.moved.fraction_changed > 0.9
    assert result.moved.mean_absolute_change < 8 * 2e-7
    assert result.saved_moved.fraction_changed < 0.1
    alone = toys.profile(model__dtype="bfloat16", epochs=4, minimum_moved=0.9)
    alone.arms["full-simpo"].model_extra["learning_rate"] = 2e-7  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"90\.00% wanted") as caught:
        plain(tmp_path / "plain", alone)
    assert "float32 master weights" in caught.value.remedy


MUON = {"optimizer": "muon", "zero_stage": 2, "max_grad_norm": 0.0, "epochs": 4}


def test_muon_under_zero_2_equals_plain_training(tmp_path: Path) -> None:
    """gemma-2-2b-later: ZeRO hands the optimiser flat pieces, and Muon needs matrices."""
    zero, weights, _ = launched(tmp_path / "zero", toys.profile(**MUON))
    alone, alone_weights = plain(tmp_path / "plain", toys.profile(**MUON))
    assert zero.facts["engine"]["zero_optimization"]["stage"] == 2
    assert zero.loss_trace == pytest.approx(alone.loss_trace, abs=1e-2)
    assert zero.loss_trace[-1] < zero.loss_trace[0] - 0.1
    assert zero.learning_rate_trace == pytest.approx(alone.learning_rate_trace, rel=1e-6)
    close(weights, alone_weights, atol=2e-4)  # the update's steps are in bfloat16; the rate is 1e-3
    adam, adam_weights = plain(tmp_path / "adam", toys.profile(**{**MUON, "optimizer": "adamw"}))
    apart = [float((weights[name] - adam_weights[name]).abs().max()) for name in weights]
    assert max(apart) > 1e-3, "another optimiser goes elsewhere"
    assert adam.steps == zero.steps


def test_muon_over_two_ranks_equals_one(tmp_path: Path) -> None:
    one, weights, _ = launched(tmp_path / "one", toys.profile(**MUON))
    two, two_weights, _ = launched(tmp_path / "two", toys.profile(pairs_per_device=1, ranks=2, **MUON))
    assert two.loss_trace == pytest.approx(one.loss_trace, abs=1e-2)
    close(two_weights, weights, atol=2e-4)


def test_the_authors_committed_settings_run_as_declared(tmp_path: Path) -> None:
    """Logarithmic warm-up, constant rate, no clipping, optimiser on the CPU (gemma-2-2b-as-committed)."""
    shared = {"schedule": "constant_with_warmup", "warmup": "log", "max_grad_norm": 0.0, "epochs": 3}
    shared |= {"warmup_ratio": 0.5}
    offloaded, weights, _ = launched(tmp_path / "offloaded", toys.profile(offload_optimizer=True, **shared))
    alone, alone_weights = plain(tmp_path / "plain", toys.profile(**shared))
    assert offloaded.facts["engine"]["zero_optimization"]["offload_optimizer"]["device"] == "cpu"
    assert offloaded.learning_rate_trace == pytest.approx(
        [0.0, 0.0, 1e-3 * log(2) / log(3), 1e-3, 1e-3, 1e-3]
    )
    assert offloaded.max_grad_norm == 0.0
    assert offloaded.loss_trace == pytest.approx(alone.loss_trace, abs=1e-5)
    close(weights, alone_weights, atol=1e-5)


@pytest.mark.slow
def test_an_interrupted_training_leaves_a_checkpoint_in_any_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C without `checkpoint_steps`: the step ends; the next run goes on from it, to the same result."""
    used = toys.profile(epochs=40)
    assert used.training.checkpoint_steps == 0
    whole, weights, _ = launched(tmp_path / "whole", used)
    paths = toys.prepared_run(tmp_path / "broken", used)
    home = paths.folder("full-simpo")

    def interrupt(process: subprocess.Popen[bytes], exchange: Exchange, label: str) -> int:
        while not exchange.progress.is_file():
            assert process.poll() is None
            time.sleep(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(launch, "_follow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train.work(Context(used, paths), "full-simpo")
    (record,) = home.glob("checkpoints-*/checkpoint-*/steps.json")
    done = int(record.parent.name.rpartition("-")[2])
    assert 1 <= done < whole.steps
    assert len(paths.steps("full-simpo").read_text().splitlines()) == done
    result = train.work(Context(used, paths), "full-simpo").result
    assert isinstance(result, TrainResult)
    assert (result.facts["resumed_at_step"], result.steps) == (done, whole.steps)
    assert result.loss_trace == pytest.approx(whole.loss_trace, abs=1e-6)
    close(load_file(paths.weights("full-simpo") / "model.safetensors"), weights, atol=1e-6)
    assert len(paths.steps("full-simpo").read_text().splitlines()) == whole.steps


@pytest.mark.slow
def test_training_resumes_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = toys.profile(epochs=200, checkpoint_steps=10)
    whole, weights, _ = launched(tmp_path / "whole", used)
    assert (whole.steps, whole.facts["resumed_at_step"]) == (400, 0)
    paths = toys.prepared_run(tmp_path / "broken", used)
    home = paths.folder("full-simpo")

    def interrupt(process: subprocess.Popen[bytes], exchange: Exchange, label: str) -> int:
        while not list(home.glob("checkpoints-*/checkpoint-*/steps.json")):
            assert process.poll() is None
            time.sleep(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(launch, "_follow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train.work(Context(used, paths), "full-simpo")
    assert not paths.weights("full-simpo").exists()
    done = train.work(Context(used, paths), "full-simpo")
    result = done.result
    assert isinstance(result, TrainResult)
    assert result.facts["resumed_at_step"] >= 10
    assert result.steps == whole.steps
    assert result.loss_trace == pytest.approx(whole.loss_trace, abs=1e-6)
    close(load_file(paths.weights("full-simpo") / "model.safetensors"), weights, atol=1e-6)
    assert {path.name for path in home.iterdir()} == {"weights", *(path.name for path in done.scratch)} - {
        "train.log"
    }
