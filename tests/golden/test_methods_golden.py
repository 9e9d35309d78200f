"""Objectives, static vectors and LoRA against numbers that were made without this code and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from baselines import lora, sparse_vector, static_vector
from fsrl.sae import Sae
from harness.models.residual import added
from harness.profiles.profile import load_profile
from harness.training.loss import simpo_losses
from harness.training.objectives import dpo, reps, simpo
from harness.training.pair_logprobs import PairLogprobs

SECTION = load_profile("miniature").training


@pytest.fixture
def methods(golden_dir: Path) -> Path:
    folder = golden_dir / "methods"
    if not folder.is_dir():
        pytest.skip("needs the golden numbers of the methods")
    return folder


def read(methods: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(methods / f"{name}.safetensors", "pt") as opened:
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - no dict
        return tensors, {key: json.loads(value) for key, value in (opened.metadata() or {}).items()}


def close(got: Tensor, wanted: Tensor, *, rtol: float = 0, atol: float = 1e-9) -> None:
    torch.testing.assert_close(got.detach().double(), wanted.double(), rtol=rtol, atol=atol)


def pairs(golden: dict[str, Tensor], factor: float = 1.0) -> tuple[PairLogprobs, dict[str, Tensor]]:
    """Means of the golden sums, which are the leaves."""
    leaves = {
        name: golden[name].clone().requires_grad_() for name in ("logp_w", "logp_l", "null_w", "null_l")
    }
    n_w, n_l = golden["n_w"], golden["n_l"]
    return PairLogprobs(
        leaves["logp_w"] / n_w,
        leaves["logp_l"] / n_l,
        torch.stack([torch.full_like(n_w, 11), n_w, n_l], -1),
        torch.stack([golden["ref_w"], golden["ref_l"]], -1),
        torch.stack([leaves["null_w"] / n_w, leaves["null_l"] / n_l], -1),
        factor,
    ), leaves


@pytest.mark.parametrize(
    ("name", "objective", "factor"),
    [
        ("simpo", simpo.Objective(simpo.Config(), SECTION), 1.0),
        ("dpo", dpo.Objective(dpo.Config(), SECTION), 1.0),
        ("bipo_plus", dpo.Objective(dpo.Config(bidirectional=True), SECTION), 1.0),
        ("bipo_minus", dpo.Objective(dpo.Config(bidirectional=True), SECTION), -1.0),
    ],
)
def test_objectives(methods: Path, name: str, objective: Any, factor: float) -> None:
    golden, facts = read(methods, "objectives")
    assert (facts["simpo"], facts["dpo"]["beta"]) == ({"beta": SECTION.beta, "gamma": SECTION.gamma}, 0.1)
    given, leaves = pairs(golden, factor)
    losses = objective.losses(given)
    close(losses, golden[name])
    losses.sum().backward()
    close(leaves["logp_w"].grad, golden[f"{name}_grad_w"])  # type: ignore[arg-type]
    close(leaves["logp_l"].grad, golden[f"{name}_grad_l"])  # type: ignore[arg-type]


def test_reps(methods: Path) -> None:
    golden, facts = read(methods, "objectives")
    objective = reps.Objective(reps.Config(scaler=facts["reps"]["scaler"]), SECTION)
    given, leaves = pairs(golden)
    plus, minus = objective.both(given)
    close(plus, golden["reps_plus"])
    close(minus, golden["reps_minus"])
    close(objective.losses(given), golden["reps_plus"] + golden["reps_minus"])
    halved = reps.Objective(reps.Config(combine="mean"), SECTION).losses(given)
    close(halved, (golden["reps_plus"] + golden["reps_minus"]) / 2)
    (plus + minus).sum().backward()
    for leaf, name in (
        ("logp_w", "reps_plus_grad_w"),
        ("logp_l", "reps_plus_grad_l"),
        ("null_w", "reps_minus_grad_null_w"),
        ("null_l", "reps_minus_grad_null_l"),
    ):
        close(leaves[leaf].grad, golden[name])  # type: ignore[arg-type]


def test_reps_by_the_length_of_prompt_and_response_as_in_the_authors_code(methods: Path) -> None:
    """By hand: every mean over n becomes the same sum over n + 11, the prompt's tokens."""
    golden, _ = read(methods, "objectives")
    given, _ = pairs(golden)
    plus, minus = reps.Objective(reps.Config(length="whole"), SECTION).both(given)
    n_w, n_l = golden["n_w"] + 11, golden["n_l"] + 11
    up, down = golden["reps_beta_plus"], golden["reps_beta_minus"]
    margin = up * golden["logp_w"] / n_w - golden["logp_l"] / n_l
    close(plus, -torch.nn.functional.logsigmoid(margin), atol=1e-6)
    margin = down * golden["null_l"] / n_l - golden["null_w"] / n_w
    close(minus, -torch.nn.functional.logsigmoid(margin), atol=1e-6)


def toy_loss(golden: dict[str, Tensor], facts: dict[str, Any], x: Tensor) -> Tensor:
    logprobs = (x @ golden["unembedding"].T).log_softmax(-1).gather(1, golden["label"][:, None])[:, 0]
    count = facts["pairs"]
    means = torch.stack([logprobs[golden["owner"] == i].mean() for i in range(2 * count)])
    return simpo_losses(means[:count], means[count:], beta=facts["beta"], gamma=facts["gamma"]).mean()


def sae_of(methods: Path) -> Sae:
    return Sae(read(methods, "sae")[0], apply_b_dec_to_input=True)


@pytest.mark.parametrize("name", ["zero", "v1"])
def test_the_dense_vector(methods: Path, name: str) -> None:
    golden, facts = read(methods, "static_vector")
    arm = static_vector.Arm(static_vector.Config(learning_rate=1.0), fsrl_toys.toy_scene(Path()))
    vector = golden[f"dense_{name}"].clone().requires_grad_()
    loss = toy_loss(
        golden,
        facts,
        added(golden["h"], arm.change(golden["h"], {"vector": vector}).expand(golden["h"].shape)),
    )
    close(loss[None], golden[f"dense_{name}_loss"])
    loss.backward()
    close(vector.grad, golden[f"dense_{name}_grad"])  # type: ignore[arg-type]


@pytest.mark.parametrize("chunk", [0, 24])
@pytest.mark.parametrize("kind", ["relu", "none"])
@pytest.mark.parametrize("name", ["zero", "w1"])
def test_the_sparse_vector(methods: Path, name: str, kind: Any, chunk: int) -> None:
    golden, facts = read(methods, "static_vector")
    config = sparse_vector.Config(learning_rate=1.0, nonlinearity=kind, chunk_features=chunk)
    arm = sparse_vector.Arm(config, fsrl_toys.toy_scene(Path()))
    arm.sae = sae_of(methods)
    vector = golden[f"sparse_{name}"].clone().requires_grad_()
    change = arm.change(golden["h"], {"vector": vector})
    loss = toy_loss(golden, facts, added(golden["h"], change.expand(golden["h"].shape)))
    close(loss[None], golden[f"sparse_{name}_{kind}_loss"])
    loss.backward()
    assert vector.grad is not None
    close(vector.grad, golden[f"sparse_{name}_{kind}_grad"])
    if name == "zero":
        never = vector.grad[golden["never_active"]]
        assert bool((never != 0).all()) if kind == "none" else not bool(never.any())


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_lora(methods: Path, dtype: torch.dtype, atol: float) -> None:
    """The layer that the arm puts in."""
    golden, facts = read(methods, "lora")
    from peft import LoraConfig, inject_adapter_in_model

    linear = torch.nn.Linear(16, 24, dtype=dtype)
    linear.load_state_dict({"weight": golden["weight"], "bias": golden["bias"]})
    net = torch.nn.ModuleDict({"q_proj": linear})
    inject_adapter_in_model(
        LoraConfig(r=facts["r"], lora_alpha=facts["alpha"], target_modules=["q_proj"]), net
    )
    held = lora.adapters(net)  # type: ignore[arg-type]
    for name, tensor in held.items():
        tensor.data.copy_(golden["A" if "lora_A" in name else "B"])
    y = net["q_proj"](golden["x"].to(dtype))
    close(y, golden["y"], atol=atol, rtol=1e-5 if dtype == torch.float32 else 0)
    (y * golden["probe"].to(dtype)).sum().backward()
    for name, tensor in held.items():
        assert tensor.grad is not None
        close(
            tensor.grad,
            golden["grad_A" if "lora_A" in name else "grad_B"],
            atol=atol,
            rtol=1e-4 if dtype == torch.float32 else 0,
        )
