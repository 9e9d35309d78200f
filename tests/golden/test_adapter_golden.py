"""The adapter, the steering and their gradients against numbers made by the authors' own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from fsrl.adapter import Adapter
from fsrl.sae import Sae
from fsrl.steer import Steering, lean_is_exact

CASES = (
    "relu",
    "relu_top5pct",
    "jump_relu",
    "relu_fusion_relu",
    "relu_fusion_relu_masked",
    "jump_relu_fusion_relu",
    "soft_threshold_fusion_relu",
)
VALUES = {"atol": 1e-5, "rtol": 1e-5}
GRADIENTS = {"rtol": 1e-4, "atol": 1e-5}
ROUTES = [("lean", 0), ("lean", 17), ("full", 0), ("full", 17), ("plain", 0)]


class Golden:
    """One file: its tensors, and steering built from them."""

    def __init__(self, path: Path) -> None:
        with safe_open(path, "pt") as handle:
            self.facts: dict[str, str] = handle.metadata()
            self.tensors: dict[str, Tensor] = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        self.fusion_relu = "fusion_relu" in self.facts["case"]
        jump = self.facts.get("use_jump_relu") == "True"
        self.activation: Any = "jump_relu" if jump else self.facts.get("activation_type", "relu")

    def adapter(self) -> Adapter:
        adapter = Adapter(
            24,
            96,
            activation=self.activation,
            threshold=0.1,
            bandwidth=float(self.facts.get("bandwidth", 0)),
            top_fraction=float(self.facts["steering_fraction"]),
        )
        given = {"weight": "adapter_weight", "bias": "adapter_bias"}
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                parameter.copy_(self.tensors[given.get(name, name)])
        adapter.mask(json.loads(self.facts["masked_features"]))
        return adapter

    def sae(self) -> Sae:
        tensors = {name: self.tensors[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
        tensors["threshold"] = self.tensors["sae_threshold"]
        return Sae(tensors, apply_b_dec_to_input=False)


@pytest.fixture(params=CASES)
def golden(request: pytest.FixtureRequest, golden_dir: Path) -> Golden:
    return Golden(golden_dir / f"{request.param}.safetensors")


def test_every_golden_file_is_a_case(golden_dir: Path) -> None:
    found = {path.stem for path in golden_dir.glob("*.safetensors")} - {"simpo_loss"}
    assert found == set(CASES)


def test_every_tensor_is_an_input_or_is_reproduced(golden: Golden) -> None:
    inputs = {"x", "probe", "W_enc", "b_enc", "W_dec", "b_dec", "sae_threshold"}
    own = {"jump_relu": {"log_threshold"}, "soft_threshold": {"soft_threshold"}}
    trained = {"adapter_weight", "adapter_bias"} | own.get(golden.activation, set())
    reproduced = {"features", "steering", "output", "norm_l0", "norm_l1", "norm_l2", "loss"}
    reproduced |= {f"grad_{name}" for name in trained}
    assert set(golden.tensors) == inputs | trained | reproduced


def test_features_and_steering_vector(golden: Golden) -> None:
    """Also the mean over positions of the sum over features of v squared, which no objective here uses."""
    x, v = golden.tensors["x"], golden.adapter()(golden.tensors["x"])
    torch.testing.assert_close(golden.sae().encode(x), golden.tensors["features"], **VALUES)
    torch.testing.assert_close(v, golden.tensors["steering"], **VALUES)
    torch.testing.assert_close(v.square().sum(-1).mean(), golden.tensors["norm_l2"], **VALUES)


@pytest.mark.parametrize(("route", "chunk"), ROUTES)
def test_output_norms_and_gradients(golden: Golden, route: Any, chunk: int) -> None:
    adapter, wanted = golden.adapter(), golden.tensors
    path = None if route == "plain" else route
    if route == "lean" and not lean_is_exact(golden.activation, golden.fusion_relu):
        with pytest.raises(ValueError, match="not exact"):
            Steering(adapter, golden.sae(), fusion_relu=True, path=path)
        return
    steering = Steering(
        adapter, golden.sae(), fusion_relu=golden.fusion_relu, chunk_features=chunk, path=path
    )

    output = steering(wanted["x"])
    readings = steering.readings
    assert readings is not None
    if route == "plain":
        output = steering.plain(wanted["x"])
    l1_coefficient, l0_coefficient = (float(golden.facts[f"{kind}_coefficient"]) for kind in ("l1", "l0"))
    loss = (output * wanted["probe"]).sum() + (l1_coefficient + l0_coefficient) * readings.cost_BxT.mean()
    loss.backward()

    torch.testing.assert_close(output, wanted["output"], **VALUES)
    torch.testing.assert_close(readings.l1_BxT.mean(), wanted["norm_l1"], **VALUES)
    torch.testing.assert_close(readings.l0_BxT.mean(), wanted["norm_l0"], **VALUES)
    torch.testing.assert_close(loss, wanted["loss"], atol=2e-5, rtol=1e-5)  # a sum of 336 products
    for name, parameter in adapter.named_parameters():
        key = f"grad_adapter_{name}" if name in ("weight", "bias") else f"grad_{name}"
        torch.testing.assert_close(parameter.grad, wanted[key], **GRADIENTS)


def test_the_penalty_is_l1_or_the_jump_relus_l0(golden: Golden) -> None:
    steering = Steering(golden.adapter(), golden.sae(), fusion_relu=golden.fusion_relu)
    steering(golden.tensors["x"])
    assert steering.readings is not None
    wanted = golden.tensors["norm_l0" if golden.activation == "jump_relu" else "norm_l1"]
    torch.testing.assert_close(steering.readings.cost_BxT.mean(), wanted, **VALUES)
