"""The offline classifier: who votes for whom."""

from __future__ import annotations

import numpy as np
import pytest

from harness.classification.nearest import Nearest
from harness.classification.validation import confusion, mcc
from harness.core.errors import DataError


def test_a_labelled_explanation_never_votes_for_itself() -> None:
    """Labels that have nothing to do with the texts: by its own label each would be found again."""
    draw = np.random.default_rng(5)
    texts = {f: " ".join(draw.choice(list("abcdefghij"), 6)) for f in range(200)}
    truth = {f: bool(draw.random() < 0.5) for f in range(200)}
    found = Nearest(neighbours=1, seed=1).classify(texts, truth)
    assert abs(mcc(confusion(truth, found), seed=0, resamples=10).value) < 0.25


def test_unlabelled_explanations_are_classified_from_all_labelled_ones() -> None:
    texts = {f: ("bullet lists and headings" if f % 2 else "honest answers, hedging") for f in range(20)}
    texts |= {30: "headings", 31: "honest"}
    truth = {f: bool(f % 2) for f in range(20)}
    found = Nearest().classify(texts, truth)
    assert found == {**truth, 30: True, 31: False}


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(DataError, match="1 with, 9 without"):
        Nearest().classify(dict.fromkeys(range(10), "x"), {f: f == 0 for f in range(10)})
