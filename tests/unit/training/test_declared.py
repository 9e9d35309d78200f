"""A schedule under which nothing can move is refused before training."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_toys as toys

from harness.core.errors import ProfileError
from harness.training import worker
from harness.training.declared import refuse_no_rate
from harness.training.exchange import Exchange


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant_with_warmup"])
@pytest.mark.parametrize(
    ("rows", "warmup_ratio", "moves"),
    [(5, 0.1, False), (8, 1.0, False), (8, 0.0, True), (9, 0.1, True), (9, 1.0, True)],
)
def test_one_step_inside_the_warm_up_has_no_rate(
    schedule: str, rows: int, warmup_ratio: float, moves: bool
) -> None:
    section = toys.profile(
        schedule=schedule, warmup_ratio=warmup_ratio, pairs_per_device=4, accumulation=2
    ).training
    if moves:
        refuse_no_rate(section, rows)
        return
    with pytest.raises(ProfileError, match=r"all optimiser steps \(1\) lie in the warm-up") as caught:
        refuse_no_rate(section, rows)
    assert "warmup_ratio = 0" in caught.value.remedy


def test_a_logarithmic_warm_up_has_rate_0_for_two_steps() -> None:
    section = toys.profile(
        schedule="linear", warmup="log", warmup_ratio=0.1, pairs_per_device=4, accumulation=2
    ).training
    refuse_no_rate(section, 24)
    with pytest.raises(ProfileError, match=r"all optimiser steps \(2\)"):
        refuse_no_rate(section, 16)


def test_the_process_that_trains_refuses_it_before_the_first_step(tmp_path: Path) -> None:
    used = toys.profile(data__train_pairs=4)
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    exchange = Exchange(Path(spec.folder))
    with pytest.raises(ProfileError, match="lie in the warm-up"):
        worker.train(spec, exchange)
    assert not exchange.progress.exists()
