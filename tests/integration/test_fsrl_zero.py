"""The adapter under DeepSpeed's ZeRO stage 1 in bfloat16: what moves, how fast, thresholds in float32."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import json, sys
from pathlib import Path

import deepspeed
import deepspeed.ops
import torch
from fsrl_toys import toy_model, toy_scene, write_sae

from fsrl.arm import Arm
from fsrl.config import Config

deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # it would be compiled first
folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
model = toy_model(dtype=torch.bfloat16)
arm = Arm(Config.model_validate(options), toy_scene(write_sae(folder / "sae")))
arm.prepare(model)
start = {name: p.detach().clone() for name, p in model.named_parameters()}
settings = {
    "train_batch_size": 2,
    "zero_optimization": {"stage": 1},
    "bf16": {"enabled": True},
    "gradient_clipping": 1.0,
    "zero_allow_untested_optimizer": True,
}
optimizer = torch.optim.AdamW(arm.parameter_groups(model), weight_decay=0.0)
engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=settings)
ids = torch.tensor([[2, 7, 13, 21, 34, 8], [2, 9, 30, 4, 5, 6]])
losses = []
for _ in range(4):
    logits = engine(input_ids=ids).logits.float()
    penalty = arm.penalty(torch.ones_like(ids), torch.ones_like(ids), 1.0)
    loss = penalty.loss - logits.log_softmax(-1)[..., 5].mean()
    engine.backward(loss)
    engine.step()
    losses.append(loss.item())
moved = {}
for name, p in model.named_parameters():
    moved[name] = [str(p.dtype), (p.float() - start[name].float()).abs().max().item()]
(folder / "found.json").write_text(json.dumps({"losses": losses, "moved": moved}))
"""
OPTIONS = {"learning_rate": 1e-3, "penalty_coefficient": 1e-6, "chunk_features": 7}
JUMP = {"activation": "jump_relu", "jump_relu": {"threshold": 0.01, "threshold_learning_rate": 0.1}}


def train(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Four steps of one rank in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root.parent), str(root / "support")]),
        "DS_ACCELERATOR": "cpu",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        **dict.fromkeys(("RANK", "LOCAL_RANK"), "0"),
        "WORLD_SIZE": "1",
    }
    command = [sys.executable, "-c", SCRIPT, str(folder), json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.parametrize("options", [OPTIONS, {**OPTIONS, **JUMP}], ids=["relu", "jump_relu"])
def test_only_the_adapter_moves_and_each_part_at_its_own_rate(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """AdamW moves an entry by about its rate a step: 4 steps move 4e-3, and the log-thresholds up to 0.4."""
    found = train(tmp_path, options)
    assert found["losses"] == sorted(found["losses"], reverse=True)
    moved = found["moved"]
    assert {name for name, (_, change) in moved.items() if change > 0} == {
        name for name in moved if name.startswith("fsrl.adapter")
    }
    for name in ("weight", "bias"):
        dtype, change = moved[f"fsrl.adapter.{name}"]
        kept = name == "bias" and "jump_relu" in options
        assert dtype == ("torch.float32" if kept else "torch.bfloat16")
        assert 3e-3 < change < 5e-3
    if "jump_relu" in options:
        dtype, change = moved["fsrl.adapter.log_threshold"]
        assert dtype == "torch.float32"
        assert 0.3 < change < 0.5
