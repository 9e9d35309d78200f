"""Planted trials and their findings, made by hand."""

from __future__ import annotations

from harness.core.results import Interval, Score
from harness.findings.activity import CONTEXTS, Composition, CompositionResult
from harness.findings.masked import Ablated, AblationResult
from harness.planted.result import PlantedResult, Trial, assemble
from harness.planted.reward import REWARDS, Planted
from harness.planted.rule import (
    RULES,
    label,
)

HARDWARE = {"class": "cpu-x86_64-2c"}


def interval(value: float, half: float = 0.0) -> Interval:
    return Interval(value=value, stderr=half / 2, low=value - half, high=value + half)


def composition(changes: dict[str, tuple[float, ...]], half: float = 0.0) -> CompositionResult:
    rows = [
        Composition(
            category=category, context=context, way=way, sae=interval(0.2), steering=interval(0.2),
            change=interval(value if way == "examples" else 9.0, half),
        )
        for category, values in changes.items()
        for context, value in zip(CONTEXTS, values, strict=True)
        for way in ("examples", "positions")
    ]  # fmt: skip
    return CompositionResult(rows=tuple(rows), examples=10, resamples=10, seed=1)


def ablation(style: Interval, alignment: Interval) -> AblationResult:
    rows = [
        Ablated(
            masked=name, features=size, draw=None, loss=4.0, stderr=0.1,
            difference=one.value, low=one.low, high=one.high, mean_l0=1.0, scores={},
        )
        for name, size, one in (
            ("nothing", 0, interval(0.0)), ("style", 60, style), ("alignment", 32, alignment)
        )
    ]  # fmt: skip
    random_ = {"style": interval(0.01), "alignment": interval(0.02)}
    return AblationResult(rows=tuple(rows), random=random_, base_loss=5.0, pairs=10, seed=1)


def trial(reward: str, seed: int, contrast: float) -> Trial:
    found = composition({"style": (0.1, 0.1, 0.1), "alignment": (0.0, 0.0, 0.0)})
    score = Score(value=0.8, stderr=0.01, n=300)
    return Trial(
        reward=reward, seed=seed, loss=score, base_loss=5.0, accuracy=score, base_accuracy=0.6, mean_l0=40.0,
        composition=found.judged(),
        harm={"style": interval(0.3, 0.1), "alignment": interval(0.1)},
        random_harm={"style": interval(0.0), "alignment": interval(0.0)},
        masked={"style": 60, "alignment": 32},
        contrasts=dict.fromkeys(RULES, contrast),
        recovered={name: label(contrast, rule.margin) for name, rule in RULES.items()},
    )  # fmt: skip


def result(*trials: Trial, dirty: bool | None = False) -> PlantedResult:
    reward = Planted(
        w_style=1.0, w_truth=1.0, noise=0.2, style_share=0.5, more_style=0.7, more_truth=0.8,
        world_seed=1, files={},
    )  # fmt: skip
    return assemble(
        command="python -m harness planted-truth", profile="miniature", profile_digest="d",
        inputs={"model": "m"},
        rewards=dict.fromkeys(REWARDS, reward), trials=trials,
        made=[{"commit": "a" * 40, "dirty": False}, {"commit": "b" * 40, "dirty": dirty}],
        provenance={"hardware": HARDWARE},
    )  # fmt: skip
