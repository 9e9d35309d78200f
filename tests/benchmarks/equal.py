"""What the variants of a step must have in common."""

from __future__ import annotations

import pytest
import torch
from variants import Step


def assert_equal_steps(plain: Step, other: Step) -> None:
    """Both take a step: the same losses and the same gradients, to 1e-5."""
    plain()
    other()
    assert other.losses == pytest.approx(plain.losses, rel=1e-5)
    pairs = zip(other.subject.adapter.parameters(), plain.subject.adapter.parameters(), strict=True)
    for one, expected in pairs:
        torch.testing.assert_close(one.grad, expected.grad, atol=1e-5, rtol=1e-5)
