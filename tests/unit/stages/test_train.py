"""The stage `train`: what makes it stale, and that weights appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import training_toys as toys

from harness.core.errors import MissingInputError, TrainingError
from harness.core.paths import RunPaths
from harness.core.results import TrainResult
from harness.profiles.profile import Profile
from harness.stages import train
from harness.stages.inputs import Context
from harness.training.exchange import Exchange, TrainSpec

DONE = TrainResult(trained=True, steps=1)


@pytest.fixture
def used() -> Profile:
    return toys.profile()


@pytest.fixture
def paths(tmp_path: Path, used: Profile) -> RunPaths:
    return toys.prepared_run(tmp_path, used)


def stale(paths: RunPaths, a: Profile, b: Profile, arm: str = "full-simpo") -> list[str]:
    one, two = train.needs(Context(a, paths), arm), train.needs(Context(b, paths), arm)
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def test_what_the_arm_depends_on_makes_it_stale_and_nothing_else(paths: RunPaths, used: Profile) -> None:
    assert stale(paths, used, toys.profile(seed=7)) == ["training"]
    assert stale(paths, used, toys.profile(data__max_length=95)) == ["pairs"]
    assert stale(paths, used, toys.profile(data__test_pairs=3)) == []
    assert stale(paths, used, toys.profile(evaluation__batch_size=3)) == []
    assert stale(paths, used, toys.profile(sae__layer=2)) == []
    assert stale(paths, used, toys.profile(sae__layer=2), "fsrl") == ["sae"]
    assert stale(paths, used, toys.profile(seed=7), "base") == []


def test_another_number_of_threads_makes_it_stale(
    paths: RunPaths, used: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was reused: two runs of one key had other weights."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert stale(paths, used, toys.profile(threads=2)) == []
    assert stale(paths, used, toys.profile(threads=1)) == ["threads"]
    free = toys.profile(threads=0)
    before = train.needs(Context(free, paths), "fsrl")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    after = train.needs(Context(free, paths), "fsrl")
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {
        "threads": ("2", "1")
    }
    assert toys.profile(threads=2).digest() == used.digest() != toys.profile(threads=1).digest()


def test_the_inputs_digests_count(paths: RunPaths, used: Profile, tmp_path: Path) -> None:
    before = train.needs(Context(used, paths), "full-simpo")
    other = toys.prepared_run(tmp_path / "other", used, pairs=9)
    after = train.needs(Context(used, other), "full-simpo")
    assert {name for name in before if before[name] != after[name]} == {"pairs"}


def test_without_prepare_the_command_is_named(tmp_path: Path, used: Profile) -> None:
    with pytest.raises(MissingInputError, match="python -m harness prepare"):
        train.needs(Context(used, RunPaths(root=tmp_path)), "full-simpo")


def test_the_base_is_not_trained(paths: RunPaths, used: Profile) -> None:
    done = train.work(Context(used, paths), "base")
    assert done.result == TrainResult(trained=False)
    assert not done.files
    assert not paths.weights("base").exists()


def launching(monkeypatch: pytest.MonkeyPatch, act: Callable[[Exchange], TrainResult]) -> None:
    def fake(spec: TrainSpec, ranks: int, label: str) -> TrainResult:
        return act(Exchange(Path(spec.folder)))

    monkeypatch.setattr(train, "launch", fake)


def test_weights_take_the_place_of_the_old_ones(
    paths: RunPaths, used: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = paths.weights("full-simpo")
    old.mkdir(parents=True)
    (old / "old.safetensors").write_text("old")

    def act(exchange: Exchange) -> TrainResult:
        exchange.weights.mkdir()
        (exchange.weights / "new.safetensors").write_text("new")
        return DONE

    launching(monkeypatch, act)
    done = train.work(Context(used, paths), "full-simpo")
    assert done.files == [old / "new.safetensors"]
    assert [path.name for path in paths.folder("full-simpo").iterdir()] == ["weights"]
    assert [path.name for path in old.iterdir()] == ["new.safetensors"]


@pytest.mark.parametrize("failure", [TrainingError("no", remedy="-"), KeyboardInterrupt()])
def test_a_failure_keeps_the_old_weights_and_leaves_nothing_half_written(
    paths: RunPaths, used: Profile, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    old = paths.weights("full-simpo")
    old.mkdir(parents=True)
    (old / "old.safetensors").write_text("old")

    def act(exchange: Exchange) -> TrainResult:
        exchange.weights.mkdir()
        (exchange.weights / "half.safetensors").write_text("ha")
        exchange.log.write_text("what happened")
        raise failure

    launching(monkeypatch, act)
    with pytest.raises(type(failure)):
        train.work(Context(used, paths), "full-simpo")
    left = {path.name for path in paths.folder("full-simpo").iterdir()}
    assert left == ({"weights", "train.log"} if isinstance(failure, TrainingError) else {"weights"})
    assert (old / "old.safetensors").read_text() == "old"
