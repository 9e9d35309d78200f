"""Transcription, lean path and warm cache: one loss and one gradient; the bench repeats it in full."""

from __future__ import annotations

import pytest
from equal import assert_equal_steps
from subject import Sizes
from variants import VARIANTS, Step

SMALL = Sizes(d_model=128, layers=4, vocabulary=500, d_sae=512, max_length=96)


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_losses_and_gradients_are_the_transcriptions(variant: str) -> None:
    plain, lean = Step("transcription", SMALL), Step(variant, SMALL)
    assert_equal_steps(plain, lean)
