"""The process that trains one arm; DeepSpeed's launcher starts one for each rank.

`deepspeed --module harness.training.worker SPEC.json`
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError
from transformers import set_seed

from harness.arm import Scene, load_arm
from harness.core.artefact import write_json
from harness.core.errors import HarnessError, RunFolderError, TrainingError
from harness.core.results import TrainResult, Truncation, WeightsMoved
from harness.models.base_model import (
    check_differentiable,
    load_model,
    load_tokenizer,
    out_of_memory,
    pad_id,
    pick_device,
)
from harness.training import movement
from harness.training.activation_cache import MADE, ActivationCache, cache_key, check_budget, write
from harness.training.checkpoint import alone, without_code
from harness.training.declared import check_declared, clipping_of, refuse_no_rate
from harness.training.exchange import Exchange, TrainSpec
from harness.training.order import batch_order, check_even
from harness.training.pairs import PairTokens, collate
from harness.training.ran import what_ran
from harness.training.start import first_facts
from harness.training.trainer import ResponseModel, SimpoTrainer, trainer_arguments
from harness.training.usable import usable_pairs
from harness.training.watch import Measured, StepLog, Watch, is_main_rank

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.arm import Arm
    from harness.profiles.profile import Profile


INTERRUPTED = 130
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
    except KeyboardInterrupt:  # a checkpoint is written
        return INTERRUPTED
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def configure(threads: int, seed: int) -> None:
    """Threads, seeds and deterministic algorithms, before any module is built."""
    torch.set_num_threads(threads)
    set_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling what nobody reads would touch all of DeepSpeed's 2 GB gradient bucket in every backward pass.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    without_code()
    if not torch.cuda.is_available():
        import deepspeed.ops

        # Keep to gloo: DeepSpeed would compile a shared-memory all-reduce, taking 40 s and a compiler.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


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
    tokenizer = load_tokenizer(Path(spec.model_dir))
    rows = training_rows(spec, profile, tokenizer)
    refuse_no_rate(profile.training, len(rows.order))
    arm = _arm(spec, profile)
    cache = activation_cache(spec, profile, arm, model, tokenizer, rows)
    arm.prepare(model)
    start = movement.snapshot(model)
    facts = first_facts(arm, model, [rows.tokens[i] for i in rows.order[:2]], pad_id(tokenizer))
    trainer = make_trainer(spec, profile, arm, model, tokenizer, rows, cache)
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
        movement.check_gradients((step.grad_norm for step in trainer.steps), profile.training.beta)
    saved_moved = save(spec, profile, arm, model, start, rows) if is_main_rank() else None
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
        facts={
            **what_ran(trainer, rows.order, spec, device),
            **facts,
            "resumed_at_step": resumed_at,
            "step_s_trace": measured.step_s,
            "step_tokens_trace": [step.tokens for step in trainer.steps[resumed_at:]],
        },
    )


def _train_alone(trainer: SimpoTrainer, spec: TrainSpec, exchange: Exchange) -> int:
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


def training_rows(spec: TrainSpec, profile: Profile, tokenizer: PreTrainedTokenizerBase) -> Rows:
    """Read, tokenise and order the training pairs; their order does not depend on the arm."""
    data, training = profile.data, profile.training
    _, (tokens, truncation) = usable_pairs(Path(spec.train_file), data.train_pairs, tokenizer, data)
    order = batch_order(
        len(tokens),
        training.epochs,
        training.seed,
        lengths=[len(row.prompt) + max(len(row.chosen), len(row.rejected)) for row in tokens],
        window=training.length_window,
        batch=training.pairs_per_device * training.ranks,
    )
    check_even(len(tokens), training)
    return Rows(tokens, truncation, order)


def activation_cache(
    spec: TrainSpec,
    profile: Profile,
    arm: Arm,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
) -> ActivationCache | None:
    """The residual stream after the steered block for every pair, written by the unsteered model where it is
    not there yet; None without a budget, and for an arm that trains the blocks below.

    Raises:
        ProfileError: the budget is too small, or attention takes no mask of any shape.
        DamagedFileError: a file of the cache has changed.
        RunFolderError: it cannot be written.
    """
    budget, layer = profile.training.activation_cache_gib, profile.sae.layer
    if not budget or not arm.uses_sae:
        return None
    d_model = model.config.get_text_config().hidden_size
    check_budget(rows.tokens, d_model, model.dtype.itemsize, budget)
    key = cache_key(spec.model_digest, layer, rows.tokens, profile.model.dtype)
    folder = Path(spec.checkpoints).parent.parent / "activations" / key[:16]
    if not (folder / MADE).is_file():
        write(model, layer, rows.tokens, folder, key, pad_id(tokenizer))
    return ActivationCache(folder, key)


def make_trainer(
    spec: TrainSpec,
    profile: Profile,
    arm: Arm,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    cache: ActivationCache | None = None,
) -> SimpoTrainer:
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
    return SimpoTrainer(
        ResponseModel(model, profile.sae.layer if cache else None),
        arm=arm,
        args=arguments,
        rows=rows.tokens,
        order=rows.order,
        tokenizer=tokenizer,
        section=profile.training,
        cache=cache,
    )


def save(
    spec: TrainSpec, profile: Profile, arm: Arm, model: PreTrainedModel, start: dict[str, Tensor], rows: Rows
) -> WeightsMoved:
    """Save the arm, load it into a fresh base model, and check that it equals the trained arm, not the start.

    Raises:
        RunFolderError: the weights cannot be written.
        TrainingError: the reloaded arm differs from the trained one, or no saved weight moved.
    """
    folder = Exchange(Path(spec.folder)).weights
    model.eval()
    try:
        folder.mkdir()
        arm.save(model, folder)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"the weights cannot be written ({error})",
            value=folder,
            remedy="free disk space, or give a writable folder with --run-dir DIR",
        ) from error
    fresh = load_model(Path(spec.model_dir), profile.model, model.device)
    _arm(spec, profile).load(fresh, folder)
    movement.check_reload(model, fresh, collate(rows.tokens[:1], 0).input_ids_BxT.to(model.device))
    moved = movement.weights_moved(start, dict(fresh.named_parameters()))
    movement.check_moved(moved, 1 / moved.entries)
    return moved


def _arm(spec: TrainSpec, profile: Profile) -> Arm:
    known = Scene(
        sae_dir=Path(spec.sae_dir),
        sae=profile.sae,
        model_digest=spec.model_digest,
        sae_digest=spec.sae_digest,
        seed=profile.training.seed,
        arm_files=Path(spec.arm_files) if spec.arm_files else None,
    )
    return load_arm(profile, spec.arm, known)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
