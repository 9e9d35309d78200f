"""Small models with the arms that train an edit or adapters, prepared, moved, and put through the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import torch
import training_toys as toys
from safetensors.torch import load_file

from baselines import lora, reft_r1, sparse_vector, static_vector
from harness.models.residual import residual_reader
from harness.profiles.profile import Profile, parse_profile
from harness.training import worker
from harness.training.arm_file import WEIGHTS
from harness.training.exchange import Exchange

ARMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dense": (static_vector, {}),
    "sparse": (sparse_vector, {}),
    "sparse none": (sparse_vector, {"nonlinearity": "none"}),
    "reft": (reft_r1, {}),
    "lora": (lora, {"r": 3}),
    "lora above": (lora, {"r": 2, "first_layer": 2, "targets": ["q_proj", "down_proj"]}),
}
IDS = torch.tensor([[2, 9, 10, 11, 12, 13, 14, 15, 3], [2, 20, 21, 22, 23, 24, 25, 26, 5]])


def arm_of(module: Any, root: Path, **options: Any) -> Any:
    folder = root / "sae"
    scene = fsrl_toys.toy_scene(folder if folder.is_dir() else fsrl_toys.write_sae(folder))
    return module.Arm(module.Config.model_validate({"learning_rate": 1e-2} | options), scene)


def trained_tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: one for name, one in model.named_parameters() if "trained_edit" in name or ".lora_" in name}


def moved(model: Any) -> None:
    draw = torch.Generator().manual_seed(5)
    for tensor in trained_tensors(model).values():
        tensor.data += torch.randn(tensor.shape, generator=draw).to(tensor.dtype)


@torch.no_grad()
def logits(model: Any, ids: torch.Tensor = IDS, **inputs: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=ids, use_cache=False, **inputs).logits
    return found


def residual(model: Any, layer: int) -> torch.Tensor:
    with residual_reader(model, layer) as read:
        return read(IDS)


def used(name: str, objective: dict[str, Any] | None = None, **training: Any) -> Profile:
    module, options = ARMS[name]
    data = toys.profile(sae__layer=1, **training).resolved()
    data["arms"]["one"] = {"module": module.__name__, "title": "One", "learning_rate": 1e-2, **options}
    if objective:
        data["training"]["objective"] = objective
    return parse_profile(data, where="the tests")


def run(root: Path, profile: Profile) -> tuple[Any, dict[str, torch.Tensor]]:
    spec = toys.order(toys.prepared_run(root, profile), profile, engine=None, arm="one")
    if not Path(spec.sae_dir).is_dir():
        fsrl_toys.write_sae(Path(spec.sae_dir))
    exchange = Exchange(Path(spec.folder))
    return worker.train(spec, exchange), load_file(exchange.weights / WEIGHTS)
