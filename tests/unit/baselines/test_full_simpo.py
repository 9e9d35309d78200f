"""Full fine-tuning: what it trains, saves and loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import training_toys as toys

from baselines import full_simpo
from harness.arm import Scene
from harness.core.errors import DamagedFileError, ProfileError
from harness.profiles.profile import load_profile


def scene() -> Scene:
    return Scene(Path("none"), load_profile("miniature").sae, "0", "0", 1)


def full() -> full_simpo.Arm:
    return full_simpo.Arm(full_simpo.Config(learning_rate=1e-3), scene())


def test_full_trains_every_parameter_once() -> None:
    arm, model = full(), toys.model()
    model.requires_grad_(False)
    arm.prepare(model)
    (group,) = arm.parameter_groups(model)
    assert group["lr"] == 1e-3
    assert sum(p.numel() for p in group["params"]) == sum(p.numel() for p in model.parameters())
    assert all(p.requires_grad for p in group["params"])


def test_saved_weights_come_back_and_stay_tied(tmp_path: Path) -> None:
    trained, fresh = toys.model(seed=1), toys.model(seed=0)
    full().save(trained, tmp_path)
    full().load(fresh, tmp_path)
    assert fresh.lm_head.weight is fresh.model.embed_tokens.weight
    assert not any(parameter.requires_grad for parameter in fresh.parameters())
    ids = torch.tensor([[2, 9, 10]])
    with torch.no_grad():
        assert torch.equal(trained(input_ids=ids).logits, fresh(input_ids=ids).logits)


def test_the_dtype_is_kept(tmp_path: Path) -> None:
    trained = toys.model(seed=1).bfloat16()
    full().save(trained, tmp_path)
    fresh = toys.model(seed=0).bfloat16()
    full().load(fresh, tmp_path)
    assert {p.dtype for p in fresh.parameters()} == {torch.bfloat16}
    assert torch.equal(fresh.model.norm.weight, trained.model.norm.weight)


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    full().save(toys.model(), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        full().load(toys.model(), tmp_path)


def test_no_weights_and_another_models_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="no weights"):
        full().load(toys.model(), tmp_path)
    full().save(toys.model(num_hidden_layers=1), tmp_path)
    with pytest.raises(DamagedFileError, match=r"not this model's \(model.layers.1"):
        full().load(toys.model(), tmp_path)


def test_unknown_options_are_refused() -> None:
    from harness.arm import arm_config

    section = load_profile("miniature").arm("full-simpo").model_copy(update={"lerning_rate": 1.0})
    assert arm_config(load_profile("miniature").arm("full-simpo"), "full-simpo").learning_rate > 0
    broken = type(section).model_validate(
        {"module": "baselines.full_simpo", "title": "x", "learning_rate": -1.0}
    )
    with pytest.raises(ProfileError, match="learning_rate"):
        arm_config(broken, "full-simpo")
