"""What really ran: facts of a training beside its numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.core.artefact import digest_json

if TYPE_CHECKING:
    from harness.training.exchange import TrainSpec
    from harness.training.trainer import PairTrainer


def what_ran(
    trainer: PairTrainer, order: Sequence[int], spec: TrainSpec, device: torch.device
) -> dict[str, Any]:
    """The batch order, engine, device and options of a training, as they were in force."""
    engine = trainer.deepspeed
    return {
        "batch_order_sha256": digest_json(list(order)),
        "device": device.type,
        "engine": spec.engine,
        "engine_optimizer": type(engine.optimizer).__name__ if engine is not None else None,
        "attention": trainer.model.language_model.config._attn_implementation,
        "activation_cache": trainer.model.cached_layer is not None,
        "system_turn": spec.parsed().data.system_turn,
        "movable": getattr(trainer.arm, "movable", 1.0),
        "objective": trainer.section.objective.model_dump(mode="json"),
        "share_prompt": trainer.section.share_prompt,
        "length_window": trainer.section.length_window,
        "grad_norm_trace": [step.grad_norm for step in trainer.steps],
        "ranks": int(os.environ.get("WORLD_SIZE", "1")),
        "threads": torch.get_num_threads(),
    }
