"""The declared learning rates, computed here and not by the libraries, and the guard that compares them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.errors import TrainingError

TOLERANCE = 1e-6


def step_count(rows: int, pairs_per_step: int) -> int:
    """Optimiser steps over `rows` pairs; the last step may hold fewer."""
    return math.ceil(rows / pairs_per_step)


def warmup_count(steps: int, ratio: float) -> int:
    """Steps of the warm-up, rounded up."""
    return math.ceil(steps * ratio)


def declared_rates(
    schedule: str, peak: float, steps: int, warmup_ratio: float, rise: str = "linear"
) -> list[float]:
    """The learning rate of every step: linear from 0 in the warm-up, then cosine, linear or constant.

    With `rise = "log"` as DeepSpeed's WarmupLR and WarmupDecayLR have it where no `warmup_type` is given: one
    step late, so that the first two steps have rate 0, and W steps of warm-up rise as log(step) / log(W).
    """
    warmup = warmup_count(steps, warmup_ratio)
    if rise == "log":
        return [peak * _log_factor(schedule, step, steps, max(2, warmup)) for step in range(steps)]
    rates = []
    for step in range(steps):
        if step < warmup:
            rates.append(peak * step / warmup)
            continue
        done = (step - warmup) / max(1, steps - warmup)
        factor = {
            "cosine": 0.5 * (1 + math.cos(math.pi * done)),
            "linear": 1 - done,
            "constant_with_warmup": 1.0,
        }[schedule]
        rates.append(peak * factor)
    return rates


def _log_factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Share of the peak at a step, counted from 0."""
    if step <= warmup:
        return math.log(max(1, step)) / math.log(warmup)
    return 1.0 if schedule == "constant_with_warmup" else (steps - step + 1) / max(1, steps - warmup)


def begun(step: int, steps: int) -> float:
    """Share of a training begun at a step, counted from 0: the largest r with int(steps * r) <= step.

    What is off for a share r of the training is thus on from step int(steps * r), as in the authors' code.
    """
    share = (step + 1) / steps
    while steps * share >= step + 1:
        share = math.nextafter(share, 0)
    return share


def check_rates(used: Sequence[float], declared: Sequence[float]) -> None:
    """Compare the learning rates that the optimiser used with the declared ones.

    Raises:
        TrainingError: another number of steps, or a rate that differs by more than 1e-6 of the peak.
    """
    if len(used) != len(declared):
        raise TrainingError(
            "training took a different number of steps from what the profile declares",
            value=f"{len(used)} instead of {len(declared)}",
            remedy="look for a second schedule or batch size in the engine's settings",
        )
    allowed = TOLERANCE * max(declared, default=0.0)
    for step, (got, wanted) in enumerate(zip(used, declared, strict=True)):
        if not abs(got - wanted) <= allowed:
            raise TrainingError(
                "training used a different learning rate from the declared one",
                value=f"step {step + 1}: {got:.6g} instead of {wanted:.6g}",
                remedy="look for a `scheduler` or `optimizer` block in the engine's settings",
            )
