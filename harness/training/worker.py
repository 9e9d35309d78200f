"""The process that makes one arm: trains it, where DeepSpeed's launcher starts one for each rank, or fits it.

`deepspeed --module harness.training.worker SPEC.json`; without `deepspeed` for a fitted arm.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.arm import arm_module, frozen_through
from harness.core.artefact import write_json
from harness.core.errors import HarnessError, TrainingError
from harness.core.results import TrainResult
from harness.models.base_model import (
    check_differentiable,
    load_model,
    load_tokenizer,
    out_of_memory,
    pad_id,
    pick_device,
)
from harness.training import movement
from harness.training.arguments import trainer_arguments
from harness.training.checkpoint import alone
from harness.training.declared import check_declared, clipping_of, refuse_no_rate
from harness.training.exchange import Exchange, TrainSpec
from harness.training.fit import fit
from harness.training.kept import activation_cache, check_frozen, reference
from harness.training.objective import check_suits, load_objective
from harness.training.ordered import Rows, configure, ordered_arm, training_rows
from harness.training.ran import what_ran
from harness.training.saved import save
from harness.training.start import first_facts
from harness.training.trainer import PairTrainer, ResponseModel
from harness.training.watch import Measured, StepLog, Watch, is_main_rank

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.arm import Arm
    from harness.profiles.profile import Profile
    from harness.training.activation_cache import ActivationCache


INTERRUPTED = 130
ACCUMULATION = "and raise training.accumulation by the same factor"


def main(arguments: Sequence[str]) -> int:
    """Train or fit as the spec says; leave a result or an error in its folder."""
    spec = TrainSpec.model_validate_json(Path(arguments[-1]).read_text(encoding="utf-8"))
    exchange = Exchange(Path(spec.folder))
    try:
        fitted = arm_module(spec.parsed().arm(spec.arm)).Arm.kind == "fitted"
        setting = "evaluation.loss_batch_size" if fitted else f"training.pairs_per_device ({ACCUMULATION})"
        with out_of_memory(TrainingError, setting):
            result = (fit if fitted else train)(spec, exchange)
        if is_main_rank():
            write_json(exchange.result, result.model_dump(mode="json"))
    except HarnessError as error:
        exchange.write_error(error)
        return error.exit_code
    except KeyboardInterrupt:  # a checkpoint is written
        return INTERRUPTED
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def train(spec: TrainSpec, exchange: Exchange) -> TrainResult:
    """Train the spec's arm, save it, and check what was saved.

    Raises:
        KeyboardInterrupt: it was asked to stop, and has left a checkpoint.
        HarnessError: any error of the inputs, the training or the checks.
    """
    profile = spec.parsed()
    configure(spec.threads, profile.training.seed)
    device = pick_device()
    check_differentiable(profile.model.attention, device)
    model = load_model(Path(spec.model_dir), profile.model, device)
    tokenizer = load_tokenizer(Path(spec.model_dir), profile.model)
    rows = training_rows(spec, profile, tokenizer)
    refuse_no_rate(profile.training, len(rows.order))
    arm, objective = ordered_arm(spec, profile), load_objective(profile.training)
    check_suits(objective, profile.training, getattr(arm, "dial", None), spec.arm)
    layer, filler = frozen_through(profile.arm(spec.arm), spec.arm, profile.sae), pad_id(tokenizer)
    cache = activation_cache(spec, profile, layer, model, rows.tokens, filler)
    sums = reference(spec, profile, objective, model, rows.tokens, filler)
    arm.prepare(model)
    check_frozen(model, layer)
    start = movement.snapshot(model)
    facts = first_facts(arm, model, rows, filler, profile.training.pairs_per_device)
    trainer = make_trainer(spec, profile, arm, model, tokenizer, rows, cache, sums)
    measured = Measured(spec.started)
    trainer.add_callback(measured)
    trainer.elapsed_s = measured.meter.so_far
    resumed_at = _train_alone(trainer, spec, exchange)
    check_declared(trainer, profile)
    usage = measured.meter.usage(
        trainable_parameters=sum(tensor.numel() for tensor in start.values()),
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tokens=sum(step.tokens for step in trainer.steps),
        startup_s=measured.startup_s,
    )
    usage = usage.model_copy(update={"wall_s": trainer.wall_s_before + usage.wall_s})
    moved = movement.masters_moved(start, model, engine=trainer.deepspeed is not None)
    movement.check_moved(moved, profile.training.minimum_moved * getattr(arm, "movable", 1.0))
    if profile.training.minimum_moved:
        movement.check_gradients((step.grad_norm for step in trainer.steps), objective.beta)
    saved_moved = save(spec, profile, arm, model, start, rows.tokens) if is_main_rank() else None
    return TrainResult(
        trained=True,
        steps=len(trainer.steps),
        epochs=profile.training.epochs,
        pairs=len(rows.tokens),
        loss_trace=tuple(step.loss for step in trainer.steps),
        penalised_loss_trace=tuple(step.penalised_loss for step in trainer.steps),
        learning_rate_trace=tuple(step.rates[0] for step in trainer.steps),
        max_grad_norm=clipping_of(trainer),
        truncation=rows.truncation,
        moved=moved,
        saved_moved=saved_moved,
        usage=usage,
        facts=what_ran(trainer, rows.order, spec, device) | facts | _timed(trainer, measured, resumed_at),
    )


def _timed(trainer: PairTrainer, measured: Measured, resumed_at: int) -> dict[str, Any]:
    return {
        "resumed_at_step": resumed_at,
        "step_s_trace": measured.step_s,
        "step_tokens_trace": [step.tokens for step in trainer.steps[resumed_at:]],
    }


def _train_alone(trainer: PairTrainer, spec: TrainSpec, exchange: Exchange) -> int:
    """Train while the writing rank locks the checkpoints; returns the steps done before.

    Raises:
        KeyboardInterrupt: it was asked to stop.
    """
    trainer.on_step = Watch(exchange, spec.parent, StepLog(Path(spec.steps) if spec.steps else None))
    trainer.asked_to_stop = exchange.stop.exists
    with alone(Path(spec.checkpoints)) if is_main_rank() else contextlib.nullcontext():
        trainer.accelerator.wait_for_everyone()
        done = trainer.resume_or_start()
    if trainer.stopped:
        raise KeyboardInterrupt
    return done


def make_trainer(
    spec: TrainSpec,
    profile: Profile,
    arm: Arm,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    cache: ActivationCache | None = None,
    reference_Px2: Tensor | None = None,
) -> PairTrainer:
    """The trainer of a prepared arm, with the engine's settings of the spec (none: plain PyTorch)."""
    if profile.training.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    arguments = trainer_arguments(
        profile.training,
        rows=len(rows.order),
        peak=float(arm.parameter_groups(model)[0]["lr"]),
        dtype=profile.model.dtype,
        folder=Path(spec.checkpoints),
        engine=spec.engine,
    )
    return PairTrainer(
        ResponseModel(model, cache.layer if cache else None),
        arm=arm,
        args=arguments,
        rows=rows.tokens,
        order=rows.order,
        tokenizer=tokenizer,
        section=profile.training,
        cache=cache,
        reference_Px2=reference_Px2,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
