"""Checkpoints of unfinished training: which one is whole, what had been done by then, and a safe loader."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout

from harness.core.artefact import digest_tree, write_json
from harness.core.documents import read_model
from harness.core.errors import DamagedFileError, HarnessError, RunFolderError, first_line
from harness.core.results import Record

RECORD = "steps.json"
ORPHAN_S = 60.0


class Step(NamedTuple):
    """What one optimiser step did.

    Attributes:
        loss, penalised_loss: mean over the step's pairs, without and with the arm's penalty.
        rates: learning rate of each parameter group.
        grad_norm: global norm before clipping; None where the engine reports none.
        tokens: real tokens that went through the model.
    """

    loss: float
    penalised_loss: float
    rates: tuple[float, ...]
    grad_norm: float | None
    tokens: int


class Kept(Record):
    """A checkpoint's record: the steps, the seconds they took, and sha256 of every other file by path."""

    steps: list[Step]
    wall_s: float
    files: dict[str, str]


def write_record(folder: Path, steps: Sequence[Step], wall_s: float) -> None:
    """Complete a checkpoint: its record names every file with its sha256 and is written last."""
    files = {name: sha for name, sha in digest_tree(folder).items() if name != RECORD}
    write_json(folder / RECORD, {"steps": steps, "wall_s": wall_s, "files": files})


def last_checkpoint(folder: Path) -> tuple[Path, Kept] | None:
    """The whole checkpoint with the most steps; one with a missing, added or changed file is skipped."""
    found = sorted(folder.glob(f"checkpoint-*/{RECORD}"), key=lambda path: _number(path.parent), reverse=True)
    return next(filter(None, map(_read, found)), None)


def _number(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _read(record: Path) -> tuple[Path, Kept] | None:
    try:
        kept = read_model(record, Kept, what="a checkpoint's record", remedy="delete the checkpoint")
    except HarnessError:
        return None
    here = {name: sha for name, sha in digest_tree(record.parent).items() if name != RECORD}
    whole = here == kept.files and len(kept.steps) == _number(record.parent)
    return (record.parent, kept) if whole else None


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder of checkpoints; wait for the worker of a killed run, which ends by itself.

    Raises:
        RunFolderError: another worker does not end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=ORPHAN_S)
    try:
        with lock:
            yield
    except Timeout as error:
        raise RunFolderError(
            f"another training has locked these checkpoints for more than {ORPHAN_S:.0f} s",
            value=folder,
            remedy="end that process (a `harness.training.worker`), then start the stage again",
        ) from error
    finally:
        if not any(folder.glob("checkpoint-*")):
            with contextlib.suppress(OSError):
                (folder / ".lock").unlink()
                folder.rmdir()


def without_code() -> None:
    """Make DeepSpeed read its checkpoints as tensors and plain values.

    Its own loader unpickles whatever a file holds. Besides what PyTorch allows, four small classes of the
    engine are allowed.
    """
    from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    allowed = [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]
    TorchCheckpointEngine.load = lambda _self, path, map_location=None: load_tensors(
        path, map_location, allowed
    )


def load_tensors(path: str | os.PathLike[str], map_location: Any, allowed: list[Any]) -> Any:
    """Read a file of torch.save without running code from it.

    Raises:
        DamagedFileError: it wants to run or build anything else, or cannot be read.
    """
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise DamagedFileError(
            "a training checkpoint holds more than tensors and plain values, or cannot be read "
            f"({first_line(error)})",
            value=path,
            remedy="delete the checkpoints folder in the arm's run folder and train again",
        ) from error
