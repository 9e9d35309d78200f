"""Arms through DeepSpeed's launcher and the stage: interrupted, they go on as if nothing had been."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import training_toys as toys
from safetensors.torch import load_file

from harness.core.paths import RunPaths
from harness.core.results import TrainResult
from harness.profiles.profile import Profile, parse_profile
from harness.stages import train
from harness.stages.inputs import Context
from harness.training import launch
from harness.training.arm_file import WEIGHTS
from harness.training.exchange import Exchange

pytestmark = pytest.mark.slow

ARMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "lora": ({"module": "baselines.lora", "r": 2}, {"name": "dpo"}),
    "static": ({"module": "baselines.static_vector"}, {"name": "dpo", "bidirectional": True}),
    "reft": ({"module": "baselines.reft_r1"}, {"name": "simpo"}),
}


def used(name: str) -> Profile:
    table, objective = ARMS[name]
    data = toys.profile(epochs=100, checkpoint_steps=10, sae__layer=0).resolved()
    data["arms"]["one"] = {"title": "One", "learning_rate": 1e-3, **table}
    data["training"]["objective"] = objective
    return parse_profile(data, where="the tests")


def made(profile: Profile, paths: RunPaths) -> tuple[TrainResult, dict[str, Any]]:
    result = train.work(Context(profile, paths), "one").result
    assert isinstance(result, TrainResult)
    return result, load_file(paths.weights("one") / WEIGHTS)


@pytest.mark.parametrize("name", list(ARMS))
def test_an_arm_resumes_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    profile = used(name)
    whole, weights = made(profile, toys.prepared_run(tmp_path / "whole", profile))
    paths = toys.prepared_run(tmp_path / "broken", profile)
    home = paths.folder("one")

    def interrupt(process: subprocess.Popen[bytes], exchange: Exchange, label: str) -> int:
        while not list(home.glob("checkpoints-*/checkpoint-*/steps.json")):
            assert process.poll() is None
            time.sleep(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(launch, "_follow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train.work(Context(profile, paths), "one")
    assert not paths.weights("one").exists()
    done, again = made(profile, paths)
    assert done.facts["resumed_at_step"] >= 10
    assert done.steps == whole.steps == 200
    assert done.loss_trace == pytest.approx(whole.loss_trace, abs=1e-6)
    for key, tensor in weights.items():
        assert (again[key] - tensor).abs().max() < 1e-6, key
