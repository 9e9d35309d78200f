"""The base arm trains nothing and loads nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_toys as toys

from baselines import base_lm
from harness.arm import Scene
from harness.core.errors import TrainingError
from harness.profiles.profile import load_profile


def scene() -> Scene:
    return Scene(Path("none"), load_profile("miniature").sae, "0", "0", 1)


def test_the_base_does_not_train_and_loads_nothing() -> None:
    arm, model = base_lm.Arm(base_lm.Config(), scene()), toys.model()
    arm.load(model, Path("nowhere"))
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert arm.kind == "untrained"
    with pytest.raises(TrainingError, match="not trained"):
        arm.prepare(model)
