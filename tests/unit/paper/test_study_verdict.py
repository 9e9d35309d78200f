"""Verdicts on claims about studies, from findings made by hand."""

from __future__ import annotations

import re

import pytest

from harness.core.paths import ROOT
from harness.core.results import Interval
from harness.findings.activity import CONTEXTS, Composition, CompositionResult, UsageCurve, UsageResult
from harness.findings.masked import TopKPoint, TopKResult
from harness.findings.outcome import Outcome
from harness.paper.claims import CompositionMoves, Decay, Plateau, read_paper
from harness.paper.study_verdict import SESSIONS, composition, decay, find_in_studies, plateau
from harness.paper.verdict import judge

SAE = Interval(value=0.2, stderr=0.01, low=0.18, high=0.22)


def moved(*changes: tuple[float, float]) -> CompositionResult:
    """Table 2 with these intervals of the style features; the paper's way always says the opposite."""
    rows = []
    for context, (low, high) in zip(CONTEXTS, changes, strict=True):
        ours = Interval(value=(low + high) / 2, stderr=0.01, low=low, high=high)
        theirs = Interval(value=-9.0, stderr=0.01, low=-9.1, high=-8.9)
        for way, change in (("examples", ours), ("positions", theirs)):
            rows.append(
                Composition(category="style", context=context, way=way, sae=SAE, steering=SAE, change=change)
            )
    return CompositionResult(rows=tuple(rows), examples=9, resamples=9, seed=1)


@pytest.mark.parametrize(
    ("changes", "sign", "answer"),
    [
        (((0.01, 0.03), (0.02, 0.04), (0.01, 0.05)), 1, "reproduced"),
        (((0.01, 0.03), (0.02, 0.04), (0.01, 0.05)), -1, "not reproduced"),
        (((0.01, 0.03), (-0.02, 0.04), (0.01, 0.05)), 1, "inconclusive"),
        (((0.01, 0.03), (-0.02, 0.04), (-0.05, -0.01)), 1, "not reproduced"),
        (((-0.03, -0.01), (-0.04, -0.02), (-0.05, -0.01)), -1, "reproduced"),
    ],
)
def test_composition(changes: tuple[tuple[float, float], ...], sign: int, answer: str) -> None:
    predicate = CompositionMoves.model_validate({"kind": "composition", "category": "style", "sign": sign})
    found, lines = composition(predicate, moved(*changes))
    assert found == answer
    assert len(lines) == 3
    assert lines[0].startswith("prompt: ")


def curve(*differences: tuple[float, float, float]) -> TopKResult:
    """Figure 2 with points (fraction, difference, half width)."""
    points = tuple(
        TopKPoint(
            policy=policy, fraction=fraction, kept=1, loss=5 + gap, stderr=0.1, difference=gap,
            low=gap - half, high=gap + half, mean_l0=1.0,
        )
        for policy in ("dynamic", "static") for fraction, gap, half in differences
    )  # fmt: skip
    return TopKResult(
        points=points, learned_loss=5, learned_stderr=0.1, learned_l0=3, base_loss=6, d_sae=100, pairs=9
    )


@pytest.mark.parametrize(
    ("points", "answer"),
    [
        (((0.001, 1.0, 0.5), (0.032, 0.5, 0.1), (0.064, 0.1, 0.1)), "reproduced"),
        (((0.001, 1.0, 0.5), (0.032, 0.5, 0.1), (0.064, 0.11, 0.1)), "not reproduced"),
        (((0.001, 1.0, 1.5), (0.064, 0.05, 0.1)), "inconclusive"),
        (((0.001, -1.0, 0.5), (0.064, -2.0, 0.1)), "not reproduced"),
        (((0.064, 0.05, 0.1), (1.0, 0.0, 0.0)), "not run"),
    ],
)
def test_plateau(points: tuple[tuple[float, float, float], ...], answer: str) -> None:
    assert plateau(Plateau(kind="plateau", fraction=0.05, share=0.1), curve(*points))[0] == answer


def fits(*r2: float | None, slope: float = -0.04) -> UsageResult:
    return UsageResult(
        curves=tuple(
            UsageCurve(
                context=context, group=group, features=9, used=9, percentile=(1.0,), usage=(0.1,),
                slope=None if one is None else slope, intercept=None if one is None else 0.0, r2=one,
            )
            for context, one in zip(CONTEXTS, r2, strict=True) for group in ("all", "style")
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "answer"),
    [
        (fits(0.95, 0.9, 0.99), "reproduced"),
        (fits(0.95, 0.89, 0.99), "not reproduced"),
        (fits(0.95, None, 0.99), "inconclusive"),
        (fits(0.95, 0.95, 0.99, slope=0.04), "not reproduced"),
    ],
)
def test_decay(usage: UsageResult, answer: str) -> None:
    found, lines = decay(Decay(kind="decay", r2=0.9), usage)
    assert found == answer
    assert len(lines) == 4


def test_a_context_that_was_not_measured_leaves_a_claim_open() -> None:
    """In all contexts: one contradiction settles it, and what holds in the others does not."""
    rises, falls = moved((0.1, 0.2), (0.1, 0.2), (0.1, 0.2)), moved((-0.2, -0.1), (0.1, 0.2), (0.1, 0.2))
    predicate = CompositionMoves.model_validate({"kind": "composition", "category": "style", "sign": 1})
    for table, answer in ((rises, "not run"), (falls, "not reproduced")):
        fewer = table.model_copy(update={"rows": table.rows[:-2]})
        found, lines = composition(predicate, fewer)
        assert (found, len(lines)) == (answer, 3)
        assert lines[-1].endswith("not measured")
    usage = fits(0.95, 0.95, 0.95)
    assert decay(Decay(kind="decay", r2=0.9), usage.model_copy(update={"curves": usage.curves[:4]}))[0] == (
        "not run"
    )


def test_a_study_that_is_not_there_decides_nothing() -> None:
    found, lines = find_in_studies(Decay(kind="decay", r2=0.9), [curve((0.1, 1.0, 0.1))])
    assert found == "not run"
    assert lines == ("this run has no finished study `figure5`: needs `nox -s reproduce-figure5`",)


def test_the_sessions_that_a_verdict_names_exist() -> None:
    """The noxfile's session of a study makes that study."""
    noxfile = (ROOT / "noxfile.py").read_text()
    for study, session in SESSIONS.items():
        (line,) = re.findall(rf'^study\("{session}".*$', noxfile, re.MULTILINE)
        assert f'"{study}"' in line


def test_the_papers_claims_with_and_without_studies(outcome: Outcome) -> None:
    """The claims of `results/paper.json` about studies find them; all others keep their verdict."""
    decided = {"table2-alignment", "table2-style", "top-k-plateau", "usage-distribution"}
    studies = [
        moved((0.1, 0.2), (0.1, 0.2), (0.1, 0.2)),
        curve((0.001, 1.0, 0.5), (0.064, 0.0, 0.1)),
        fits(1, 1, 1),
    ]
    before = {one.claim: one for one in judge(read_paper(), outcome)}
    after = {one.claim: one for one in judge(read_paper(), outcome, studies)}
    assert {name for name, one in after.items() if one.answer != before[name].answer} == decided - {
        "table2-alignment"
    }
    assert {before[name].answer for name in decided} == {"not run"}
    assert after["table2-style"].label == "same direction (this model)"
    assert after["table2-alignment"].answer == "not run"  # the made-up table has style features only
