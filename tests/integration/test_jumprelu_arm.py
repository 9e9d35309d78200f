"""The JumpReLU adapter as an arm of its profile: its thresholds learn, at their own rate, in float32."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file

from fsrl.adapter import Adapter
from harness.arm import arm_config
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.training import worker
from harness.training.exchange import Exchange

ARM = "fsrl-jumprelu"


@pytest.fixture
def variant() -> Profile:
    return load_profile("miniature-jumprelu")


def test_the_variant_adds_one_arm_and_changes_nothing_else(profile: Profile, variant: Profile) -> None:
    ours, theirs = variant.resolved(), profile.resolved()
    assert list(ours["arms"]) == [*theirs["arms"], ARM]
    del ours["arms"][ARM]
    for table in ("model", "sae", "data", "training", "evaluation", "arms"):
        assert ours[table] == theirs[table]
    config = arm_config(variant.arm(ARM), ARM)
    assert config.activation == "jump_relu"
    assert config.jump_relu.threshold_learning_rate > 10 * config.learning_rate


def test_it_trains_with_two_rates(tmp_path: Path, variant: Profile) -> None:
    """Four pairs a step, two epochs: AdamW moves an entry by about its rate a step."""
    data = toys.profile(epochs=2, sae__layer=1).resolved()
    data["arms"][ARM] = variant.resolved()["arms"][ARM]
    used = parse_profile(data, where="the tests")
    paths = toys.prepared_run(tmp_path, used)
    fsrl_toys.write_sae(tmp_path / "inputs" / "sae")
    spec = toys.order(paths, used, engine=None, arm=ARM)
    exchange = Exchange(Path(spec.folder))
    result = worker.train(spec, exchange)
    config = arm_config(used.arm(ARM), ARM)
    rates = config.learning_rate, config.jump_relu.threshold_learning_rate
    assert result.steps == 4
    assert 0.2 < result.facts["share_on_at_start"] < 0.8
    saved = load_file(exchange.weights / "adapter.safetensors")
    assert saved["log_threshold"].dtype == torch.float32
    start = Adapter(
        fsrl_toys.D_IN, fsrl_toys.D_SAE, activation="jump_relu", threshold=config.jump_relu.threshold
    )
    moved = {
        name: (saved[name] - getattr(start, name)).abs().max().item() for name in ("bias", "log_threshold")
    }
    weights = sum(result.learning_rate_trace)  # of the weights' group
    thresholds = weights * rates[1] / rates[0]
    assert 0.3 * weights < moved["bias"] <= 1.1 * weights
    assert 0.3 * thresholds < moved["log_threshold"] <= 1.1 * thresholds
