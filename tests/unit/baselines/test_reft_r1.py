"""ReFT-r1 by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from arm_toys import arm_of

from baselines import reft_r1
from harness.arm import Dial


def test_reft_adds_what_it_detects(tmp_path: Path) -> None:
    """By hand: u = (0.6, 0.8), x = (1, 2) and (-1, -2): s ReLU(x . u) u = 2 * 2.2 * u, and 0."""
    arm = arm_of(reft_r1, tmp_path)
    tensors = {"vector": torch.tensor([3.0, 4.0]), "scale": torch.tensor([2.0])}
    x = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    torch.testing.assert_close(arm.change(x, tensors), torch.tensor([[2.64, 3.52], [0.0, 0.0]]))
    arm.dial = Dial(nulled=True)
    torch.testing.assert_close(arm.change(x, tensors), torch.tensor([[-1.32, -1.76], [1.32, 1.76]]))
