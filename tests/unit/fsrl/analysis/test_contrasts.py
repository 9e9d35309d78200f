"""Contrasts of masks, by hand."""

from __future__ import annotations

import pytest

from fsrl.analysis.contrasts import contrasts, further_draw, like
from harness.findings.masked import Ablated


def test_further_draw_by_hand() -> None:
    """Mean 3, variance (4 + 1 + 9) / 2 = 7; t(0.975, 2) = 4.3027; 4.3027 * sqrt(7 * 4 / 3) = 13.145."""
    one = further_draw([1.0, 2.0, 6.0])
    assert (one.value, one.stderr) == (3.0, pytest.approx((7 / 3) ** 0.5))
    assert (one.low, one.high) == (pytest.approx(3 - 13.145, abs=1e-3), pytest.approx(3 + 13.145, abs=1e-3))


def test_contrasts_by_hand() -> None:
    """Differences to the unmasked policy; a measure that was not taken is not there."""

    def row(masked: str, draw: int | None, loss: float, score: float) -> Ablated:
        return Ablated(
            masked=masked, features=1, draw=draw, loss=loss, stderr=0, difference=0, low=0, high=0,
            mean_l0=1, scores={"mmlu.acc": score}, markdown=0.5,
        )  # fmt: skip

    rows = [
        row("nothing", None, 4.0, 0.5),
        row("style", None, 5.0, 0.25),
        row(like("style"), 0, 4.5, 0.5),
        row(like("style"), 1, 4.0, 0.5),
    ]
    loss, score, markdown = contrasts(rows, {"preference.loss": 9, "mmlu.acc": 8, "markdown": 7})
    assert (loss.masked, loss.measure, loss.items) == ("style", "preference.loss", 9)
    assert (loss.effect, loss.random.value) == (1.0, 0.25)
    assert (score.measure, score.effect, score.random.low, score.random.high) == ("mmlu.acc", -0.25, 0, 0)
    assert (markdown.measure, markdown.effect) == ("markdown", 0)
