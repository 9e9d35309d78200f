"""Declared learning rates by hand, against transformers' schedulers, and the guard."""

from __future__ import annotations

import pytest
import torch
from transformers import get_scheduler

from harness.core.errors import TrainingError
from harness.training.schedule import begun, check_rates, declared_rates, step_count, warmup_count


def test_cosine_by_hand() -> None:
    # 2 of 6 steps warm up: 0, 1/2; then cos at 0, 1/4, 1/2, 3/4 of the way
    rates = declared_rates("cosine", 2.0, 6, 0.2)
    assert rates == pytest.approx([0.0, 1.0, 2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5])


def test_linear_by_hand() -> None:
    # the same warm-up; then a quarter of the peak less at each step
    assert declared_rates("linear", 2.0, 6, 0.2) == pytest.approx([0.0, 1.0, 2.0, 1.5, 1.0, 0.5])


@pytest.mark.parametrize("name", ["cosine", "linear", "constant_with_warmup"])
@pytest.mark.parametrize(("steps", "ratio"), [(1, 0.0), (1, 0.5), (7, 0.1), (20, 0.1), (20, 0.0)])
def test_transformers_schedulers_agree(name: str, steps: int, ratio: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    warmup = warmup_count(steps, ratio)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert used == pytest.approx(declared_rates(name, 3e-4, steps, ratio), abs=1e-10)


@pytest.mark.parametrize(
    ("schedule", "kind"), [("constant_with_warmup", "WarmupLR"), ("linear", "WarmupDecayLR")]
)
@pytest.mark.parametrize(("steps", "ratio"), [(40, 0.25), (7, 0.1), (20, 1.0), (1, 1.0), (3749, 0.1)])
def test_a_logarithmic_warmup_is_deepspeeds_own(schedule: str, kind: str, steps: int, ratio: float) -> None:
    """DeepSpeed's classes without a `warmup_type`, stepped as its engine does: after each optimiser step."""
    from deepspeed.runtime import lr_schedules

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-7)
    more = {"total_num_steps": steps} if kind == "WarmupDecayLR" else {}
    scheduler = getattr(lr_schedules, kind)(
        optimizer, warmup_max_lr=1e-7, warmup_num_steps=warmup_count(steps, ratio), **more
    )
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert used == pytest.approx(declared_rates(schedule, 1e-7, steps, ratio, "log"), rel=1e-12)


def test_a_logarithmic_warmup_by_hand() -> None:
    """8 steps of warm-up, from the third step on: log 2, log 3 ... log 8 over log 8."""
    rates = declared_rates("constant_with_warmup", 3.0, 10, 0.8, "log")
    assert rates == pytest.approx([0, 0, 1, 1.5849625, 2, 2.3219281, 2.5849625, 2.8073549, 3, 3])
    assert declared_rates("linear", 3.0, 8, 0.25, "log") == pytest.approx([0, 0, 3, 3, 2.5, 2, 1.5, 1])


def test_the_guard_lets_the_declared_schedule_pass_and_no_other() -> None:
    declared = declared_rates("cosine", 5e-7, 20, 0.1)
    check_rates(declared, declared)
    with pytest.raises(TrainingError, match="learning rate") as caught:
        check_rates(declared_rates("constant_with_warmup", 5e-7, 20, 0.1), declared)
    assert "step 4" in str(caught.value)
    with pytest.raises(TrainingError, match="number of steps"):
        check_rates(declared[:-1], declared)
    with pytest.raises(TrainingError):
        check_rates([float("nan"), *declared[1:]], declared)


@pytest.mark.parametrize("steps", [1, 2, 7, 10, 100, 125, 3749])
def test_what_is_off_for_a_share_begins_at_the_authors_step(steps: int) -> None:
    for ratio in [0.0, 0.05, 0.1, 0.2, 0.29, 0.3, 1 / 3, 0.5, 0.57, 0.58, 0.99]:
        on = [begun(step, steps) >= ratio for step in range(steps)]
        assert on.index(True) == int(steps * ratio)
        assert on == sorted(on)


def test_steps_are_rounded_up() -> None:
    assert [step_count(rows, 4) for rows in (1, 4, 5, 8)] == [1, 1, 2, 2]
