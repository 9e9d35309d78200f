"""Planted trials and their findings, made by hand."""

from __future__ import annotations

from harness.core.results import Interval, Score
from harness.findings.activity import CONTEXTS, Composition, CompositionResult
from harness.findings.audit import Regression
from harness.findings.controls import RIGHT, Control, ControlsResult
from harness.findings.masked import Ablated, AblationResult
from harness.findings.reading import MIXED, STYLE_HEAVY, TRUTH_HEAVY, label
from harness.planted.result import Parts, PlantedResult, Seen, Trial, assemble
from harness.planted.reward import REWARDS, Planted
from harness.planted.rule import NOTHING, RULES, learned

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


SHARE = {STYLE_HEAVY: 0.9, MIXED: 0.5, TRUTH_HEAVY: 0.1, NOTHING: 0.5}
"""Style's share in a toy regression that reads as the label."""


def regression(share: float, r2: float = 0.4, half: float = 0.05) -> Regression:
    """Style's share of what was learned; both coefficients 0.2 +- half."""
    return Regression(
        coefficients={"style": interval(0.2, half), "truth": interval(0.2, half)},
        shares={"style": interval(share, 0.02), "truth": interval(1 - share, 0.02)},
        r2=r2,
    )


def seen(contrast: float) -> Seen:
    """An arm that steers, with the same contrast in every analysis."""
    found = composition({"style": (0.1, 0.1, 0.1), "alignment": (0.0, 0.0, 0.0)})
    return Seen(
        composition=found.judged(),
        harm={"style": interval(0.3, 0.1), "alignment": interval(0.1)},
        random_harm={"style": interval(0.0), "alignment": interval(0.0)},
        masked={"style": 60, "alignment": 32},
        contrasts=dict.fromkeys(RULES, contrast),
        readings={name: label(contrast, rule.margin) for name, rule in RULES.items()},
    )


def trial(
    reward: str, seed: int, contrast: float | None, *, taught: str | None = None, arm: str = "fsrl"
) -> Trial:
    """A training that learned `taught` (default: what was planted); None: an arm that does not steer."""
    score = Score(value=0.8, stderr=0.01, n=300)
    taught = taught or reward
    audit = regression(SHARE[taught], r2=0.0 if taught == NOTHING else 0.4)
    assert learned(audit) == taught
    return Trial(
        reward=reward, seed=seed, arm=arm,
        loss=score, base_loss=5.0, accuracy=score, base_accuracy=0.6,
        mean_l0=None if contrast is None else 40.0,
        audit=audit, learned=taught, seen=None if contrast is None else seen(contrast),
    )  # fmt: skip


def controls(readings: dict[str, tuple[str, ...]], analysis: str = "composition") -> ControlsResult:
    """One control a reading, by kind; the draw is its place."""
    made = tuple(
        Control(kind=kind, draw=draw, steered=60, contrasts={analysis: 0.0}, readings={analysis: reading})
        for kind, found in readings.items()
        for draw, reading in enumerate(found)
    )
    return ControlsResult(
        controls=made, margins={analysis: 0.05}, blind={"classification": "reads no adapter"},
        pairs=10, seed=1,
    )  # fmt: skip


def result(*trials: Trial, dirty: bool | None = False) -> PlantedResult:
    reward = Planted(
        w_style=1.0, w_truth=1.0, noise=0.2, style_share=0.5, more_style=0.7, more_truth=0.8,
        world_seed=1, pairs=6000, files={},
    )  # fmt: skip
    rewards = dict.fromkeys(REWARDS, reward)
    rewards[NOTHING] = reward.model_copy(update={"w_style": 0.0, "w_truth": 0.0, "style_share": None})
    parts = Parts(
        trials=trials,
        controls=controls({kind: (wanted,) for kind, wanted in RIGHT.items()}),
        rewards=rewards,
        made=[{"commit": "a" * 40, "dirty": False}, {"commit": "b" * 40, "dirty": dirty}],
    )
    return assemble(
        parts, command="python -m harness planted-truth", profile="miniature", profile_digest="d",
        inputs={"model": "m"}, train_pairs=6000, provenance={"hardware": HARDWARE},
    )  # fmt: skip
