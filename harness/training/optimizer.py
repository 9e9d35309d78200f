"""The optimiser and the schedule that a profile names, from torch or DeepSpeed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from harness.profiles.training_section import TrainingSection


def optimizer_class(section: TrainingSection) -> Any:
    """AdamW: torch's, or DeepSpeed's for the CPU where the optimiser is offloaded to it."""
    if not section.offload_optimizer:
        return torch.optim.AdamW
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return DeepSpeedCPUAdam


def log_scheduler(section: TrainingSection, optimizer: Any, warmup: int, steps: int) -> Any:
    """DeepSpeed's WarmupLR (constant) or WarmupDecayLR (linear) with its own default, a logarithmic rise."""
    from deepspeed.runtime.lr_schedules import WarmupDecayLR, WarmupLR

    peaks = [group["lr"] for group in optimizer.param_groups]
    if section.schedule == "linear":
        return WarmupDecayLR(optimizer, steps, warmup_max_lr=peaks, warmup_num_steps=warmup)
    return WarmupLR(optimizer, warmup_max_lr=peaks, warmup_num_steps=warmup)
