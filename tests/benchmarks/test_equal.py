"""Transcription, lean path and warm cache: one loss and one gradient; the bench repeats it in full."""

from __future__ import annotations

import pytest
import torch
from subject import Sizes
from variants import VARIANTS, Step

SMALL = Sizes(d_model=128, layers=4, vocabulary=500, d_sae=512, max_length=96)


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_losses_and_gradients_are_the_transcriptions(variant: str) -> None:
    plain, lean = Step("transcription", SMALL), Step(variant, SMALL)
    plain()
    lean()
    assert lean.losses == pytest.approx(plain.losses, rel=1e-5)
    for one, other in zip(lean.subject.adapter.parameters(), plain.subject.adapter.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-5)
