"""Usage curves from numbers that can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from fsrl.analysis import distribution


def test_an_exponential_decay_has_a_perfect_fit() -> None:
    """usage 10^(-i): four features at percentiles 25 ... 100, so log10 falls by 1 every 25 percent."""
    curve = distribution.curve(np.array([0.01, 1.0, 0.001, 0.1]), "prompt", "all", 200)
    assert curve.percentile == (25.0, 50.0, 75.0, 100.0)
    assert curve.usage == (1.0, 0.1, 0.01, 0.001)
    assert (curve.slope, curve.r2) == (pytest.approx(-0.04), pytest.approx(1.0))
    assert curve.intercept == pytest.approx(1.0)


def test_unused_features_are_counted_and_not_fitted() -> None:
    curve = distribution.curve(np.array([0.5, 0.0, 0.25, 0.0]), "prompt", "style", 200)
    assert (curve.features, curve.used, curve.slope) == (4, 2, None)
    assert curve.usage == (0.5, 0.25)
