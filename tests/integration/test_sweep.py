"""Sweeps on the miniature: what is kept, what is made again, and that a shared cache changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
import training_toys as toys

from harness.arm import Scene, load_arm
from harness.commands import sweep
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.core.results import TrainResult
from harness.findings.sweep import SweepResult
from harness.models import base_model as models
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.sources.bundle import sae
from harness.stages import train
from harness.stages.stage import run_stage
from harness.training import worker
from harness.training.activation_cache import DATA
from harness.training.exchange import Exchange, TrainSpec

PAIRS = 12


def small(**options: Any) -> Profile:
    """The miniature with few pairs and one sweep of two alphas; `options` are the sweep's."""
    data = load_profile("miniature").resolved()
    data["data"] |= {"train_pairs": 32, "test_pairs": PAIRS}
    data["training"]["minimum_moved"] = 0.0
    data["evaluation"]["tasks"] = {}
    data["arms"] = {name: data["arms"][name] for name in ("base", "fsrl")}
    table = data["studies"]["sweep-alpha"] | {
        "points": [0.002, 0.05],
        "activation_cache_gib": 0.0,
        "train_pairs": 0,
        "test_pairs": 0,
    }
    data["studies"] = {"sweep-alpha": table | options}
    return parse_profile(data, where="the tests")


class Launcher:
    """Stands in for DeepSpeed's: an adapter of random weights that steers less, the larger alpha is.

    Attributes:
        specs: the orders, in order.
        stop_at: the number of the launch that is interrupted.
    """

    def __init__(self) -> None:
        self.specs: list[TrainSpec] = []
        self.stop_at = 0

    def __call__(self, spec: TrainSpec, _ranks: int, _label: str) -> TrainResult:
        self.specs.append(spec)
        if len(self.specs) == self.stop_at:
            raise KeyboardInterrupt
        profile = spec.parsed()
        model = models.load_model(Path(spec.model_dir), profile.model, torch.device("cpu"))
        known = Scene(Path(spec.sae_dir), profile.sae, spec.model_digest, spec.sae_digest, 42)
        arm: Any = load_arm(profile, spec.arm, known)
        arm.prepare(model)
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            arm.steering.adapter.weight.normal_(0, 0.01, generator=draw)
            arm.steering.adapter.bias.normal_(-0.1, 0.02, generator=draw).sub_(arm.config.penalty_coefficient)
        folder = Exchange(Path(spec.folder)).weights
        folder.mkdir()
        arm.save(model, folder)
        return TrainResult(trained=True, steps=1)

    @property
    def arms(self) -> list[str]:
        """What was trained since the last call."""
        names = [spec.arm for spec in self.specs]
        self.specs, self.stop_at = [], 0
        return names


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> Launcher:
    found = Launcher()
    monkeypatch.setattr(train, "launch", found)
    return found


def test_points_are_made_once_and_an_interrupted_sweep_goes_on(tmp_path: Path, launcher: Launcher) -> None:
    profile, paths = small(activation_cache_gib=1.0), RunPaths(root=tmp_path)
    launcher.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        sweep.run(profile, paths, "alpha")
    assert len({Path(spec.checkpoints).parent.parent for spec in launcher.specs}) == 1  # of one cache
    assert launcher.arms == ["alpha-0.002", "alpha-0.05"]
    (artefact,) = sweep.run(profile, paths, "alpha")
    assert launcher.arms == ["alpha-0.05"]
    result = SweepResult.model_validate(artefact.result)
    assert [point.value for point in result.points] == [0.002, 0.05]
    first, last = result.points
    assert first.mean_l0 > last.mean_l0 >= 0
    assert first.penalised_loss >= first.loss
    assert result.pairs == PAIRS
    assert result.blocks == 6
    assert result.cached
    assert (next(point for point in result.points if point.value == result.least)).above.value == 0
    assert result.elbow is not None
    assert result.elbow.alpha is None
    assert "fewer than three points" in result.elbow.reason

    sweep.run(profile, paths, None)
    assert launcher.arms == []
    more = small(activation_cache_gib=1.0, points=[0.002, 0.01, 0.05])
    sweep.run(more, paths, "alpha")
    assert launcher.arms == ["alpha-0.01"]
    shutil.rmtree(tmp_path / "sweep/alpha/alpha-0.05/weights")
    sweep.run(profile, paths, "alpha")
    assert launcher.arms == ["alpha-0.05"]


def test_the_profiles_own_alpha_is_the_runs_own_arm(tmp_path: Path, launcher: Launcher) -> None:
    profile, paths = small(points=[0.002, 0.05]), RunPaths(root=tmp_path)
    (artefact,) = sweep.run(profile, paths, None)
    assert launcher.arms == ["fsrl", "alpha-0.05"]
    assert [point.own for point in SweepResult.model_validate(artefact.result).points] == [True, False]
    run_stage("train", profile, paths, "fsrl")
    assert launcher.arms == []


def test_another_layer_has_an_autoencoder_of_its_own(
    tmp_path: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained once by the bundle's recipe, cut short here, and measured on vectors that it has not seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in (("SAMPLES", 4096), ("TOKENS", 6000), ("MEASURED", 1000)):
        monkeypatch.setattr(sae, name, value)
    profile, paths = small(axis="layer", points=[1, 3], activation_cache_gib=0.0), RunPaths(root=tmp_path)
    (artefact,) = sweep.run(profile, paths, "layer")
    result = SweepResult.model_validate(artefact.result)
    assert result.elbow is None
    other, own = result.points
    assert (other.own, own.own) == (False, True)
    assert (other.sae.source, own.sae.source) == ("trained here", "bundle")
    assert own.sae.explained_variance == 0.944761
    assert other.sae.explained_variance is not None
    assert 0 < other.sae.explained_variance < 1
    assert len(list((tmp_path / "cache/fsrl-bench/saes").glob("[!.]*"))) == 1
    launcher.specs.clear()
    sweep.run(profile, paths, "layer")
    assert launcher.arms == []
    with pytest.raises(ProfileError, match="choose 0 to 5"):
        sweep.run(small(axis="layer", points=[3, 6], activation_cache_gib=0.0), paths, "layer")


def trained(root: Path, name: str, alpha: float, **training: Any) -> TrainResult:
    """The tiny model's FSRL arm, as the worker trains it, in a run folder that all calls may share."""
    data = toys.profile(sae__layer=1, **training).resolved()
    data["arms"] = {name: data["arms"]["fsrl"] | {"penalty_coefficient": alpha, "learning_rate": 1e-2}}
    used = parse_profile(data, where="the tests")
    paths = toys.prepared_run(root, used)
    fsrl_toys.write_sae(root / "inputs" / "sae")
    spec = toys.order(paths, used, engine=None, arm=name)
    spec = spec.model_copy(update={"checkpoints": str(paths.folder(name) / "checkpoints-x")})
    return worker.train(spec, Exchange(Path(spec.folder)))


def test_points_that_share_a_cache_train_as_without_one(tmp_path: Path) -> None:
    """Written by the first point, read by the second, and equal to rounding to what each computes itself."""
    cached = {"share_prompt": True, "activation_cache_gib": 1.0}
    written: list[int] = []
    for alpha in (0.01, 1.0):
        with_cache = trained(tmp_path / "a", f"alpha-{alpha:g}", alpha, **cached)
        without = trained(tmp_path / "b", f"alpha-{alpha:g}", alpha)
        assert with_cache.loss_trace == pytest.approx(without.loss_trace, rel=1e-5)
        assert with_cache.penalised_loss_trace == pytest.approx(without.penalised_loss_trace, rel=1e-5)
        assert with_cache.loss_trace[-1] != with_cache.loss_trace[0]
        (file,) = (tmp_path / "a" / "run" / "activations").glob(f"*/{DATA}")
        written.append(file.stat().st_mtime_ns)
    assert written[0] == written[1]


@pytest.mark.slow
def test_a_sweep_through_the_real_launcher(tmp_path: Path) -> None:
    """Two alphas, each with the cache and without: the same losses to rounding, and less steering."""
    found: list[SweepResult] = []
    for name, budget in (("cached", 1.0), ("plain", 0.0)):
        profile = small(points=[0.002, 0.5], activation_cache_gib=budget)
        (artefact,) = sweep.run(profile, RunPaths(root=tmp_path / name), "alpha")
        found.append(SweepResult.model_validate(artefact.result))
    for cached, plain in zip(found[0].points, found[1].points, strict=True):
        assert cached.loss == pytest.approx(plain.loss, rel=1e-4)
        assert cached.penalised_loss == pytest.approx(plain.penalised_loss, rel=1e-4)
        assert cached.train_s > 0
    assert len(list((tmp_path / "cached/sweep/alpha/activations").iterdir())) == 1
    assert not (tmp_path / "plain/sweep/alpha/activations").exists()
