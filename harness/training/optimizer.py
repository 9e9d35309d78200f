"""The optimiser and the schedule that a profile names, from torch or DeepSpeed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.profiles.training_section import TrainingSection

Groups = list[dict[str, Any]]
MOMENTUM = 0.95
"""Muon's momentum, Nesterov's kind: the default of torch.optim.Muon and of DeepSpeed's."""
ITERATION = "standard"
"""DeepSpeed's name for the five steps of Newton and Schulz in bfloat16 that torch.optim.Muon takes."""


def make_optimizer(section: TrainingSection, groups: Groups) -> Any:
    """The optimiser over parameter groups as `declared_groups` leaves them.

    AdamW is torch's, or DeepSpeed's for the CPU where the optimiser is offloaded to it. Muon is DeepSpeed's:
    ZeRO flattens what it hands to an optimiser, and torch.optim.Muon refuses all but matrices; DeepSpeed's
    takes the step of torch.optim.Muon while the gradients are still matrices.
    """
    if section.optimizer == "muon":
        return _muon()(groups)
    settings: dict[str, Any] = {
        "betas": _betas(section),
        "eps": section.adam_epsilon,
        "weight_decay": section.weight_decay,
    }
    if not section.offload_optimizer:
        return torch.optim.AdamW(groups, **settings)
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return DeepSpeedCPUAdam(groups, **settings)


def declared_groups(
    section: TrainingSection, groups: Sequence[dict[str, Any]], model: PreTrainedModel
) -> Groups:
    """An arm's parameter groups as the optimiser has them: under Muon each is cut into matrices and the rest.

    Embedding and unembedding are matrices by shape alone, rows of a table; they stay with AdamW, as Muon's
    authors have it.
    """
    if section.optimizer == "adamw":
        return list(groups)
    tables = {id(module.weight) for module in _tables(model)}
    found = []
    for group in groups:
        matrices = [one for one in group["params"] if one.ndim == 2 and id(one) not in tables]
        chosen = {id(one) for one in matrices}
        rest = [one for one in group["params"] if id(one) not in chosen]
        found += [_muon_group(section, group, matrices)] if matrices else []
        found += [_adam_group(section, group, rest)] if rest else []
    return found


def _tables(model: PreTrainedModel) -> list[Any]:
    both = (model.get_input_embeddings(), model.get_output_embeddings())
    return [module for module in both if module is not None]


def _muon_group(section: TrainingSection, group: dict[str, Any], matrices: list[Any]) -> dict[str, Any]:
    for parameter in matrices:
        parameter.use_muon = True  # what ZeRO looks at
    own = {"params": matrices, "use_muon": True, "momentum": MOMENTUM, "ns_method": ITERATION}
    return {"weight_decay": section.weight_decay, **group, **own}


def _adam_group(section: TrainingSection, group: dict[str, Any], rest: list[Any]) -> dict[str, Any]:
    for parameter in rest:
        parameter.use_muon = False
    own = {"params": rest, "use_muon": False, "betas": _betas(section), "eps": section.adam_epsilon}
    return {"weight_decay": section.weight_decay, **group, **own}


def _betas(section: TrainingSection) -> tuple[float, float]:
    return section.adam_beta1, section.adam_beta2


def _muon() -> Any:
    """DeepSpeed's Muon with AdamW beside it. Its module has some functions compiled when it is imported;
    without that it needs no compiler, and its numbers do not depend on one."""
    from deepspeed.runtime import compiler

    compiled = compiler.compile
    compiler.compile = lambda **_: lambda function: function
    try:
        from deepspeed.runtime.zero.muon.muon_optimizer import MuonWithAuxAdam
    finally:
        compiler.compile = compiled
    return MuonWithAuxAdam


def log_scheduler(section: TrainingSection, optimizer: Any, warmup: int, steps: int) -> Any:
    """DeepSpeed's WarmupLR (constant) or WarmupDecayLR (linear) with its own default, a logarithmic rise."""
    from deepspeed.runtime.lr_schedules import WarmupDecayLR, WarmupLR

    peaks = [group["lr"] for group in optimizer.param_groups]
    if section.schedule == "linear":
        return WarmupDecayLR(optimizer, steps, warmup_max_lr=peaks, warmup_num_steps=warmup)
    return WarmupLR(optimizer, warmup_max_lr=peaks, warmup_num_steps=warmup)
