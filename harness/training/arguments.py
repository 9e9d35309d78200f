"""trl's arguments for a profile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch
from trl.experimental.cpo import CPOConfig

from harness.training.schedule import step_count, warmup_count

if TYPE_CHECKING:
    from harness.profiles.sections import TrainingSection


def trainer_arguments(
    section: TrainingSection,
    *,
    rows: int,
    peak: float,
    dtype: str,
    folder: Path,
    engine: dict[str, Any] | None,
) -> CPOConfig:
    """trl's arguments for a profile.

    Args:
        rows: pairs over all epochs; each row is seen once.
        peak: learning rate after the warm-up.
        dtype: of the model's parameters.
        folder: where checkpoints go.
        engine: DeepSpeed's settings; None trains without DeepSpeed.
    """
    on_cuda = torch.cuda.is_available()
    return CPOConfig(
        output_dir=str(folder),
        loss_type="simpo",
        cpo_alpha=0.0,
        beta=section.beta,
        simpo_gamma=section.gamma,
        learning_rate=peak,
        lr_scheduler_type=section.schedule,
        warmup_steps=warmup_count(step_count(rows, section.pairs_per_step), section.warmup_ratio),
        num_train_epochs=1,
        per_device_train_batch_size=section.pairs_per_device,
        gradient_accumulation_steps=section.accumulation,
        max_grad_norm=section.max_grad_norm,
        seed=section.seed,
        bf16=dtype == "bfloat16",
        activation_checkpointing=False,  # `make_trainer` switches it on in the language model
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=on_cuda,
        use_cpu=not on_cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if section.checkpoint_steps else "no",
        save_steps=section.checkpoint_steps or 500,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        deepspeed=engine,
    )
