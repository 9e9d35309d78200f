"""The process that trains one arm; DeepSpeed's launcher starts one for each rank.

`deepspeed --module harness.preference.worker SPEC.json`
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from transformers import set_seed

from harness.artefact import write_json
from harness.contract import TrainResult, Truncation
from harness.errors import HarnessError, TrainingError
from harness.model import load_model, load_tokenizer, out_of_memory, pick_device
from harness.preference.checkpoint import without_code
from harness.preference.data import PairTokens
from harness.preference.movement import check_moved, masters_moved, snapshot
from harness.preference.spec import Exchange, TrainSpec

if TYPE_CHECKING:
    pass


ACCUMULATION = "training.accumulation by the same factor"


class Rows(NamedTuple):
    """The training pairs: tokenised, what was cut, and the order in which they are trained on."""

    tokens: list[PairTokens]
    truncation: Truncation
    order: list[int]


def main(arguments: Sequence[str]) -> int:
    """Train as the spec says; leave a result or an error in its folder."""
    spec = TrainSpec.model_validate_json(Path(arguments[-1]).read_text(encoding="utf-8"))
    exchange = Exchange(Path(spec.folder))
    try:
        with out_of_memory(TrainingError, f"training.pairs_per_device (and raise {ACCUMULATION})"):
            result = train(spec, exchange)
        if is_main_rank():
            write_json(exchange.result, result.model_dump(mode="json"))
    except HarnessError as error:
        exchange.write_error(error)
        return error.exit_code
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def is_main_rank() -> bool:
    """Whether this is the rank that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def configure(threads: int, seed: int) -> None:
    """Threads, seeds and deterministic algorithms, before any module is built."""
    torch.set_num_threads(threads)
    set_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling what nobody reads would touch all of DeepSpeed's 2 GB gradient bucket in every backward pass.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    without_code()
    if not torch.cuda.is_available():
        _without_compiled_collectives()


def _without_compiled_collectives() -> None:
    """Keep to gloo: DeepSpeed would compile a shared-memory all-reduce, taking 40 s and a compiler."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def train(spec: TrainSpec, exchange: Exchange) -> TrainResult:
    """Train the spec's arm, save it, and check what was saved.

    Raises:
        HarnessError: whatever the inputs, the training or the checks refuse.
    """
    profile = spec.parsed()
    configure(spec.threads, profile.training.seed)
    device = pick_device()
    model = load_model(Path(spec.model_dir), profile.model, device)
    tokenizer = load_tokenizer(Path(spec.model_dir))
    rows = training_rows(spec, profile, tokenizer)
    arm = _arm(spec, profile)
    arm.prepare(model)
    start = snapshot(model)
    trainer = make_trainer(spec, profile, arm, model, tokenizer, rows)
    trainer.on_step = Watch(exchange, spec.parent)
    measured = Measured(spec.started)
    trainer.add_callback(measured)
    trainer.elapsed_s = measured.so_far
    resumed_at = _train_alone(trainer, Path(spec.checkpoints))
    check_declared(trainer, profile)
    usage = measured.meter.usage(
        trainable_parameters=sum(tensor.numel() for tensor in start.values()),
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tokens=sum(step.tokens for step in trainer.steps),
        startup_s=measured.startup_s,
    )
    usage = usage.model_copy(update={"wall_s": trainer.wall_s_before + usage.wall_s})
    moved = masters_moved(start, model, engine=trainer.deepspeed is not None)
    check_moved(moved, profile.training.minimum_moved)
    saved_moved = save(spec, profile, arm, model, start, rows) if is_main_rank() else None
