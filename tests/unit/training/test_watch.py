"""The log that grows with each step, across an interruption."""

from __future__ import annotations

import json
from pathlib import Path

from harness.training.checkpoint import Step
from harness.training.watch import StepLog


def step(loss: float) -> Step:
    return Step(loss=loss, penalised_loss=loss + 1, rates=(0.5,), grad_norm=2.0, tokens=10)


def losses(path: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in map(json.loads, path.read_text().splitlines())]


def test_a_line_after_each_step(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "fsrl.train.jsonl"
    log = StepLog(path)
    log.add(1, 3, step(6.0))
    assert losses(path) == [(1, 6.0)], "it is there while training runs"
    log.add(2, 3, step(5.0))
    assert json.loads(path.read_text().splitlines()[1]) == {
        "step": 2, "of": 3, "loss": 5.0, "penalised_loss": 6.0, "rates": [0.5], "grad_norm": 2.0,
        "tokens": 10,
    }  # fmt: skip


def test_steps_after_the_checkpoint_are_done_again(tmp_path: Path) -> None:
    """Killed in step 4 with half a line written; the checkpoint holds two steps."""
    path = tmp_path / "steps.jsonl"
    first = StepLog(path)
    for done in (1, 2, 3):
        first.add(done, 9, step(float(done)))
    with path.open("a") as stream:
        stream.write('{"step": 4, "lo')
    again = StepLog(path)
    again.add(3, 9, step(30.0))
    assert losses(path) == [(1, 1.0), (2, 2.0), (3, 30.0)]
    anew = StepLog(path)
    anew.add(1, 9, step(10.0))
    assert losses(path) == [(1, 10.0)]


def test_without_a_path_nothing_is_written() -> None:
    StepLog(None).add(1, 1, step(1.0))
