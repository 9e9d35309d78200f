"""What observes a training: progress, a check that the parent process still waits, and the meter."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

import torch
from transformers import TrainerCallback

from harness.core.artefact import write_text
from harness.core.errors import TrainingError
from harness.core.folders import writing
from harness.core.meter import Meter
from harness.training.checkpoint import Step
from harness.training.exchange import Exchange


def is_main_rank() -> bool:
    """Whether this is the rank that writes."""
    return int(os.environ.get("RANK", "0")) == 0


class StepLog:
    """A JSON line for each optimiser step, for `tail -f` and for trackers.

    The steps of an interrupted training that its checkpoint holds stay; those after it are done again.

    Args:
        path: of the file; None keeps no log.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self._begun = path, False

    def add(self, done: int, total: int, step: Step) -> None:
        """Append a step.

        Raises:
            RunFolderError: the log cannot be written.
        """
        if self.path is None:
            return
        with writing("the log of the steps cannot be written", self.path):
            if not self._begun:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_text(self.path, "".join(self._before(done)))
                self._begun = True
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": done, "of": total, **step._asdict()}) + "\n")

    def _before(self, done: int) -> list[str]:
        """Whole lines of steps before one; a line that a kill has cut goes, and so does what follows it."""
        kept: list[str] = []
        found = (
            self.path.read_text(encoding="utf-8").splitlines() if self.path and self.path.is_file() else []
        )
        for place, line in enumerate(found[: done - 1], start=1):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if json.loads(line)["step"] == place:
                    kept.append(f"{line}\n")
        return kept


class Watch:
    """Called after each optimiser step, or by a fit: notes progress, and stops if its parent is gone."""

    def __init__(self, exchange: Exchange, parent: int, log: StepLog | None = None) -> None:
        self.exchange = exchange
        self.parent = parent
        self.log = log or StepLog(None)

    def __call__(self, done: int, total: int, step: Step) -> None:
        self.note(done, total, step.loss, tokens=step.tokens)
        if is_main_rank():
            self.log.add(done, total, step)

    def note(self, done: int, total: int, loss: float, **values: object) -> None:
        """Note that so many steps, or candidates of a search, are done.

        Raises:
            TrainingError: nobody waits for the result any more.
        """
        try:
            os.kill(self.parent, 0)
        except ProcessLookupError:
            raise TrainingError(
                "the process that waited for this training is gone", remedy="start the stage again"
            ) from None
        if is_main_rank():
            self.exchange.note(done=done, total=total, loss=loss, **values)


class Measured(TrainerCallback):  # type: ignore[misc]
    """Meters the training loop; what comes before it, the engine's start included, is start-up.

    Attributes:
        meter: over the loop.
        startup_s: seconds from the start of the stage to the loop.
        step_s: seconds of each optimiser step, from the end of the one before.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self.meter = Meter()
        self.startup_s = 0.0
        self.step_s: list[float] = []

    def on_train_begin(self, *_args: object, **_kwargs: object) -> None:
        self.startup_s = time.monotonic() - self.started
        self.meter.__enter__()
        self._before = time.perf_counter()

    def on_step_end(self, *_args: object, **_kwargs: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.step_s.append(now - self._before)
        self._before = now

    def on_train_end(self, *_args: object, **_kwargs: object) -> None:
        self.meter.__exit__(None, None, None)
