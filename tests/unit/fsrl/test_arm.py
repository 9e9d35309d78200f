"""The FSRL arm: options, preparation, groups, penalty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, JUMP, MINIMAL, toy_arm, toy_model
from pydantic import ValidationError
from torch import Tensor

from fsrl.arm import Arm
from fsrl.config import Config
from fsrl.steer import Steering
from harness.arm import Scene, arm_config, arm_module, load_arm
from harness.core.errors import (
    ProfileError,
    TrainingError,
)
from harness.profiles.profile import Profile
from harness.profiles.sections import ArmSection

IDS = torch.tensor([[2, 7, 13, 21, 0, 0], [2, 9, 30, 4, 5, 6]])
ATTENTION = (IDS != 0).long()
RESPONSE = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])


# --- options


def test_importing_the_arm_does_not_import_torch() -> None:
    code = "import sys, fsrl.arm; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bundled_profiles_arm_loads(profile: Profile, scene: Scene) -> None:
    assert arm_module(profile.arm("fsrl")).Arm.kind == "trained"
    arm: Any = load_arm(profile, "fsrl", scene)
    assert arm.config.penalty_coefficient == 0.002
    assert arm.config.activation == "relu"


@pytest.mark.parametrize(
    ("options", "dotted"),
    [
        ({"penalty_coeficient": 1.0}, "penalty_coeficient"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": "1e-3"}, "learning_rate"),
        ({"penalty_positions": "prompt"}, "penalty_positions"),
        ({"top_fraction": 0.0}, "top_fraction"),
        ({"activation": "jump_relu"}, "jump_relu"),
        ({"jump_relu": {"threshold_learning_rate": 1.0}}, "jump_relu"),
        ({**JUMP, "jump_relu": {"treshold": 1.0, "threshold_learning_rate": 1.0}}, "jump_relu.treshold"),
        ({"soft_threshold": 0.1}, "soft_threshold"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], dotted: str) -> None:
    section = ArmSection(module="fsrl.arm", title="FSRL", **{**MINIMAL, **options})
    with pytest.raises(ProfileError, match=dotted):
        arm_config(section, "fsrl")


def test_a_config_cannot_be_changed() -> None:
    config = Config.model_validate(MINIMAL)
    with pytest.raises(ValidationError):
        config.top_fraction = 0.5  # type: ignore[misc]


# --- preparation


def test_only_the_adapter_is_trainable(scene: Scene) -> None:
    model, _, _ = toy_arm(scene)
    trainable = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {"fsrl.adapter.weight": D_SAE * D_IN, "fsrl.adapter.bias": D_SAE}


def test_the_lean_path_does_not_keep_the_saes_encoder(scene: Scene) -> None:
    _, _, lean = toy_arm(scene)
    _, _, full = toy_arm(scene, activation="soft_threshold", fusion_relu=True)
    assert (lean.path, lean.sae.W_enc) == ("lean", None)
    assert full.path == "full"
    assert full.sae.W_enc is not None


def test_groups_hold_each_trainable_parameter_once(scene: Scene) -> None:
    for options, rates in (({}, [1e-3]), (JUMP, [1e-3, 1.0]), ({"activation": "soft_threshold"}, [1e-3])):
        model, arm, _ = toy_arm(scene, **options)
        groups = arm.parameter_groups(model)
        assert [group["lr"] for group in groups] == rates
        members = [id(p) for group in groups for p in group["params"]]
        assert sorted(members) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_a_jump_relus_own_rate_is_for_its_thresholds_alone(scene: Scene) -> None:
    model, arm, steering = toy_arm(scene, **JUMP)
    assert arm.parameter_groups(model)[1]["params"] == [steering.adapter.log_threshold]


def test_on_a_bfloat16_model_the_weights_are_bfloat16_and_bias_and_thresholds_are_not(scene: Scene) -> None:
    model = toy_model(dtype=torch.bfloat16)
    Arm(Config.model_validate({**MINIMAL, **JUMP}), scene).prepare(model)
    model.bfloat16()
    found = {
        name: parameter.dtype for name, parameter in model.get_submodule("fsrl.adapter").named_parameters()
    }
    assert found == {"weight": torch.bfloat16, "bias": torch.float32, "log_threshold": torch.float32}


def test_the_start_depends_on_the_scenes_seed(scene: Scene) -> None:
    weights = []
    for seed in (7, 7, 8):
        model = toy_model()
        Arm(Config.model_validate(MINIMAL), scene._replace(seed=seed)).prepare(model)
        weights.append(model.get_submodule("fsrl.adapter").weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_arm_that_is_not_attached_says_so(scene: Scene, tmp_path: Path) -> None:
    arm = Arm(Config.model_validate(MINIMAL), scene)
    for call in (
        lambda: arm.penalty(ATTENTION, RESPONSE, 0.0),
        lambda: arm.parameter_groups(toy_model()),
        lambda: arm.save(toy_model(), tmp_path / "out"),
    ):
        with pytest.raises(TrainingError, match="not attached"):
            call()


# --- penalty


def steering_vector(model: Any, steering: Steering) -> Tensor:
    """v of the batch, from the residual stream that the hooked block gave: (2, 6, d_sae)."""
    grabbed: list[Tensor] = []
    handle = steering.register_forward_pre_hook(lambda _, args: grabbed.append(args[0]))
    model(IDS, attention_mask=ATTENTION)
    handle.remove()
    return steering.adapter(steering.sae.encoder_input(grabbed[0])).detach()


@pytest.mark.parametrize(("positions", "counted"), [("all", 12), ("non_padding", 10), ("response", 5)])
def test_the_penalty_is_alpha_times_the_mean_l1_of_the_counted_positions(
    scene: Scene, positions: str, counted: int
) -> None:
    model, arm, steering = toy_arm(scene, penalty_positions=positions)
    v = steering_vector(model, steering)
    penalty = arm.penalty(ATTENTION, RESPONSE, 1.0)

    l1 = v.abs().sum(-1)
    masks = {"all": torch.ones_like(IDS), "non_padding": ATTENTION, "response": RESPONSE}
    mask = masks[positions].bool()
    assert torch.equal(penalty.counted_BxT, mask)
    assert int(penalty.counted_BxT.sum()) == counted
    torch.testing.assert_close(penalty.loss, 0.02 * l1[mask].mean())
    torch.testing.assert_close(penalty.l1_BxT, l1)
    torch.testing.assert_close(penalty.l0_BxT, (v.abs() > 1e-6).sum(-1).float())
    assert not penalty.l1_BxT.requires_grad
    penalty.loss.backward()
    assert steering.adapter.weight.grad is not None
    assert steering.adapter.weight.grad.abs().max() > 0


def test_a_jump_relus_penalty_is_its_l0_and_reaches_the_thresholds(scene: Scene) -> None:
    options = {**JUMP, "jump_relu": {"threshold": 0.1, "bandwidth": 0.5, "threshold_learning_rate": 1.0}}
    model, arm, steering = toy_arm(scene, penalty_positions="all", **options)
    v = steering_vector(model, steering)
    penalty = arm.penalty(ATTENTION, RESPONSE, 1.0)
    torch.testing.assert_close(penalty.loss, 0.02 * (v > 0).sum(-1).float().mean())
    penalty.loss.backward()
    assert steering.adapter.log_threshold.grad is not None
    assert steering.adapter.log_threshold.grad.abs().max() > 0
    assert steering.adapter.weight.grad is None or steering.adapter.weight.grad.abs().max() == 0


@pytest.mark.parametrize(("progress", "on"), [(0.0, False), (0.19, False), (0.2, True), (1.0, True)])
def test_the_penalty_is_zero_while_it_warms_up(scene: Scene, progress: float, on: bool) -> None:
    model, arm, _ = toy_arm(scene, penalty_warmup=0.2)
    model(IDS, attention_mask=ATTENTION)
    penalty = arm.penalty(ATTENTION, RESPONSE, progress)
    assert (penalty.loss.item() > 0) is on
    assert penalty.l1_BxT.min() > 0


def test_a_penalty_without_its_own_forward_pass_is_refused(scene: Scene) -> None:
    model, arm, _ = toy_arm(scene)
    with pytest.raises(TrainingError, match="did not go through"):
        arm.penalty(ATTENTION, RESPONSE, 1.0)
    model(IDS, attention_mask=ATTENTION)
    arm.penalty(ATTENTION, RESPONSE, 1.0)
    with pytest.raises(TrainingError, match="did not go through"):
        arm.penalty(ATTENTION, RESPONSE, 1.0)
    model(IDS[:, :3], attention_mask=ATTENTION[:, :3])
    with pytest.raises(TrainingError, match=r"hook \(2, 3\)"):
        arm.penalty(ATTENTION, RESPONSE, 1.0)


def test_a_batch_without_a_counted_position_is_refused(scene: Scene) -> None:
    model, arm, _ = toy_arm(scene, penalty_positions="response")
    model(IDS, attention_mask=ATTENTION)
    with pytest.raises(TrainingError, match="no position"):
        arm.penalty(ATTENTION, torch.zeros_like(RESPONSE), 1.0)


# --- the start

SHUT = {"activation": "soft_threshold", "soft_threshold": 1e-6}


def started(scene: Scene, dtype: torch.dtype = torch.float32, **options: Any) -> dict[str, Any]:
    model, arm = toy_model(dtype=dtype), Arm(Config.model_validate({**MINIMAL, **options}), scene)
    arm.prepare(model)
    return arm.at_start(model, IDS, ATTENTION)


@pytest.mark.parametrize("options", [{}, JUMP, SHUT], ids=["relu", "jump_relu", "soft_threshold"])
def test_the_share_of_units_that_are_on_at_the_start_is_known(scene: Scene, options: dict[str, Any]) -> None:
    found = started(scene, **options)["share_on_at_start"]
    assert 0.2 < found < 0.95
    assert started(scene, torch.bfloat16, **options)["share_on_at_start"] == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize("activation", ["relu", "soft_threshold", "jump_relu"])
def test_a_start_from_which_no_unit_can_open_is_refused(scene: Scene, activation: str) -> None:
    options: dict[str, Any] = {"soft_threshold": SHUT, "jump_relu": JUMP}.get(activation, {})
    model, arm = toy_model(), Arm(Config.model_validate({**MINIMAL, **options}), scene)
    arm.prepare(model)
    with torch.no_grad():
        model.get_submodule("fsrl").adapter.bias.sub_(1)  # type: ignore[union-attr, operator]
        model.get_submodule("fsrl").adapter.weight.zero_()  # type: ignore[union-attr, operator]
        if activation == "soft_threshold":
            model.get_submodule("fsrl").adapter.bias.zero_()  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingError, match="none can ever open") as caught:
        arm.at_start(model, IDS, ATTENTION)
    assert activation in str(caught.value)
