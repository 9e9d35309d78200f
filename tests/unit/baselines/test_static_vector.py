"""The dense vector: where it is added, multiplied and nulled."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import torch
from arm_toys import arm_of, logits, residual

from baselines import static_vector
from harness.training.trained_edit import tensors_of


def test_the_dense_vector_is_added_at_every_position(tmp_path: Path) -> None:
    arm, model = arm_of(static_vector, tmp_path), fsrl_toys.toy_model()
    before = residual(model, 1)
    arm.prepare(model)
    vector = tensors_of(model)["vector"]
    vector.data.copy_(torch.arange(16.0))
    seen: list[torch.Tensor] = []
    model.model.layers[2].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits(model)
    torch.testing.assert_close(seen[0], before + torch.arange(16.0))
    arm.dial.factor = -2.0
    logits(model)
    torch.testing.assert_close(seen[1], before - 2 * torch.arange(16.0))
    arm.dial.nulled = True
    logits(model)
    unit = torch.arange(16.0) / torch.arange(16.0).norm()
    assert (seen[2] @ unit).abs().max() < 1e-4
    torch.testing.assert_close(seen[2] + (before @ unit).unsqueeze(-1) * unit, before)
    vector.data.zero_()
    logits(model)
    assert torch.equal(seen[3], before), "a vector of zeros has no direction"
