"""Declared learning rates by hand, against transformers' schedulers, and the guard."""

from __future__ import annotations

import pytest
import torch
from transformers import get_scheduler

from harness.core.errors import TrainingError
from harness.training.schedule import check_rates, declared_rates, step_count, warmup_count


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


def test_deepspeeds_warmup_is_ours_one_step_late_or_rises_with_the_logarithm() -> None:
    """What the profile gemma-2-2b-as-committed says of the authors' WarmupLR (docs/provenance.md)."""
    from deepspeed.runtime.lr_schedules import WarmupLR

    ours = declared_rates("constant_with_warmup", 1e-7, 40, 0.25)
    assert ours == pytest.approx([1e-8 * i for i in range(10)] + [1e-7] * 30)
    used: dict[str, list[float]] = {"linear": [], "log": []}
    for kind, rates in used.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-7)
        scheduler = WarmupLR(optimizer, warmup_max_lr=1e-7, warmup_num_steps=10, warmup_type=kind)
        for _ in range(40):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    assert used["linear"][1:] == pytest.approx(ours[:-1])
    assert all(log > linear for log, linear in zip(used["log"][2:11], used["linear"][2:11], strict=True))
    assert used["log"][11:] == pytest.approx([1e-7] * 29)


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


def test_steps_are_rounded_up() -> None:
    assert [step_count(rows, 4) for rows in (1, 4, 5, 8)] == [1, 1, 2, 2]
