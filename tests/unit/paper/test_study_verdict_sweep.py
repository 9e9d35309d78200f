"""Verdicts on claims about Figure 4, from sweeps made by hand."""

from __future__ import annotations

import pytest

from harness.core.results import Interval
from harness.findings.outcome import Outcome
from harness.findings.sweep import Elbow, SweepPoint, SweepResult, SweptSae
from harness.paper.claims import BestLayer, ElbowAt, read_paper
from harness.paper.study_verdict import best_layer, elbow_at, trade_off
from harness.paper.verdict import judge

SAE = SweptSae(source="bundle", explained_variance=0.9, mean_l0=10.0, dead_fraction=0.0)


def sweep(axis: str, *points: tuple[float, float, float, float], blocks: int = 26) -> SweepResult:
    """Points (value, loss above the least, half width of its interval, mean L0)."""
    made = tuple(
        SweepPoint(
            value=value, loss=4 + gap, stderr=0.1, penalised_loss=4.5 + gap, mean_l0=l0, train_s=1.0,
            own=False, above=Interval(value=gap, stderr=half / 2, low=gap - half, high=gap + half), sae=SAE,
        )
        for value, gap, half, l0 in points
    )  # fmt: skip
    least = min(made, key=lambda point: point.loss).value
    return SweepResult(
        axis=axis, points=made, least=least, elbow=None, blocks=blocks, alpha=0.02, layer=12, pairs=9,
        epochs=1, seed=42, cached=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("points", "answer"),
    [
        (((6, 1.0, 0.5, 9), (12, 0.0, 0.0, 9), (18, 1.0, 0.5, 9), (24, 1.0, 0.5, 9)), "reproduced"),
        (((6, 1.0, 1.5, 9), (12, 0.0, 0.0, 9), (18, 1.0, 0.5, 9), (24, 1.0, 0.5, 9)), "inconclusive"),
        (((6, 0.0, 0.0, 9), (12, 1.0, 0.5, 9), (18, 2.0, 0.5, 9), (24, 2.0, 0.5, 9)), "not reproduced"),
        (((6, 0.0, 0.0, 9), (12, 1.0, 1.5, 9), (18, 2.0, 0.5, 9), (24, 2.0, 0.5, 9)), "inconclusive"),
    ],
)
def test_the_layer_at_half_depth(points: tuple[tuple[float, float, float, float], ...], answer: str) -> None:
    """13 of 26 blocks is layer 12."""
    found, lines = best_layer(BestLayer(kind="best layer", depth=0.5), sweep("layer", *points))
    assert found == answer
    assert lines[-1] == "the layer nearest to half the depth is 12"
    assert any("(the least)" in line for line in lines)


def test_the_depth_is_relative() -> None:
    """3 of 6 blocks is layer 2."""
    found = sweep("layer", (1, 1.0, 0.5, 9), (2, 0.0, 0.0, 9), (5, 1.0, 0.5, 9), blocks=6)
    assert best_layer(BestLayer(kind="best layer", depth=0.5), found)[0] == "reproduced"


@pytest.mark.parametrize(
    ("points", "answer"),
    [
        (((0.01, 0.0, 0.0, 9), (0.02, 0.1, 0.2, 5), (0.04, 1.0, 0.5, 1)), "reproduced"),
        (((0.01, 0.0, 0.0, 9), (0.02, 0.1, 0.2, 5), (0.04, 1.0, 1.5, 1)), "inconclusive"),
        (((0.01, 0.0, 0.0, 5), (0.02, 0.1, 0.2, 9), (0.04, 1.0, 0.5, 1)), "inconclusive"),
        (((0.01, 0.0, 0.0, 5), (0.02, 0.1, 0.2, 9), (0.04, 1.0, 0.5, 9)), "not reproduced"),
        (((0.01, 1.0, 0.5, 9), (0.02, 0.5, 0.2, 5), (0.04, 0.0, 0.0, 1)), "not reproduced"),
    ],
)
def test_the_trade_off(points: tuple[tuple[float, float, float, float], ...], answer: str) -> None:
    found, lines = trade_off(sweep("alpha", *points))
    assert found == answer
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("at", "claimed", "answer"),
    [
        (0.02, 0.02, "reproduced"),
        (0.01, 0.02, "not reproduced"),
        (None, 0.02, "inconclusive"),
        (0.01, 0.03, "inconclusive"),
    ],
)
def test_the_elbow(at: float | None, claimed: float, answer: str) -> None:
    elbow = Elbow(
        rule="kneed 0", curve="convex", direction="decreasing", sensitivity=1, alpha=at, reason="why"
    )
    found = sweep("alpha", (0.01, 0, 0, 9), (0.02, 0.1, 0.2, 5), (0.04, 1, 0.5, 1))
    found = found.model_copy(update={"elbow": elbow})
    got, lines = elbow_at(ElbowAt(kind="elbow", alpha=claimed), found)
    assert got == answer
    assert ("why" in lines[0]) == (at is None)


def test_the_papers_claims_about_figure_4_have_verdicts(outcome: Outcome) -> None:
    names = ("layer-sweep", "alpha-trade-off", "alpha-elbow")
    without = {one.claim: one for one in judge(read_paper(), outcome)}
    assert {without[name].answer for name in names} == {"not run"}
    assert "sweep-layer" in without["layer-sweep"].evidence
    layers = sweep("layer", (1, 1.0, 0.5, 9), (2, 0.0, 0.0, 9), blocks=6)
    alphas = sweep("alpha", (0.01, 0.0, 0.0, 9), (0.02, 1.0, 0.5, 5))
    judged = {one.claim: one for one in judge(read_paper(), outcome, [alphas, layers])}
    assert [judged[name].answer for name in names] == ["reproduced", "reproduced", "inconclusive"]
    assert judged["layer-sweep-value"].answer == "untestable"
