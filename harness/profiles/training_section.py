"""The section `[training]` of a profile."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.profiles.methods import ObjectiveSection
from harness.profiles.section import NonNegative, Positive, Rate, Section, Threads


class TrainingSection(Section):
    """What every trained arm shares: objective, optimiser, schedule, batch, precision."""

    objective: Annotated[ObjectiveSection, Field(exclude_if=lambda value: value == ObjectiveSection())] = (
        ObjectiveSection()
    )
    """What training lowers; the test pairs are scored by SimPO whatever it is. Absent from the resolved
    profile where it is SimPO."""
    beta: float
    """SimPO's scale (paper, equation 4 and table 5)."""
    gamma_beta_ratio: float
    """SimPO's margin gamma, divided by beta (paper, table 5)."""
    epochs: Positive
    """Passes over the training pairs."""
    pairs_per_device: Positive
    """Pairs of one forward pass; times accumulation and ranks it is the pairs of an optimiser step."""
    accumulation: Positive
    """Forward passes of an optimiser step."""
    ranks: Positive = 1
    """Processes that train together."""
    schedule: Literal["cosine", "constant_with_warmup", "linear"]
    """Learning-rate schedule after warm-up."""
    warmup_ratio: Rate
    """Share of the steps in which the rate rises from 0."""
    warmup: Annotated[Literal["linear", "log"], Field(exclude_if=lambda value: value == "linear")] = "linear"
    """How it rises: `log` is what DeepSpeed's WarmupLR (constant_with_warmup) and WarmupDecayLR (linear) do
    without a `warmup_type`. Left out of the resolved profile if it is linear."""
    max_grad_norm: Annotated[float, Field(ge=0)]
    """Gradient clipping; 0 switches it off."""
    optimizer: Annotated[Literal["adamw", "muon"], Field(exclude_if=lambda value: value == "adamw")] = "adamw"
    """`muon`: Muon for the matrices between the embeddings, AdamW for all other parameters, both at the arm's
    rate; `plan` counts AdamW's memory all the same. Left out of the resolved profile if it is adamw."""
    adam_beta1: float = 0.9
    """AdamW's beta1."""
    adam_beta2: float = 0.999
    """AdamW's beta2."""
    adam_epsilon: float = 1e-8
    """AdamW's epsilon."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    zero_stage: Literal[1, 2] = 1
    """DeepSpeed ZeRO stage: ranks share the optimiser's state (1), and the gradients too (2)."""
    offload_optimizer: bool = False
    """Whether DeepSpeed keeps the optimiser on the CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass."""
    seed: int
    """Seed of every random draw."""
    checkpoint_steps: NonNegative = 0
    """Optimiser steps between checkpoints; 0 writes none."""
    minimum_moved: Rate
    """Least share of the trainable entries, in float32, that training must change. Above 0 a training whose
    every gradient was rounding is refused too."""
    share_prompt: Annotated[bool, Field(exclude_if=lambda value: value is False)] = False
    """Whether the prompt of a pair goes through the model once for both responses; the same loss up to
    rounding. Left out of the resolved profile if it is off, like the next two."""
    activation_cache_gib: Annotated[float, Field(ge=0, exclude_if=lambda value: value == 0)] = 0.0
    """GiB of disk for the residual stream after the steered block, written once and read in every epoch; 0 is
    off. Needs share_prompt and one rank."""
    length_window: Annotated[int, Field(ge=0, exclude_if=lambda value: value == 0)] = 0
    """Shuffled pairs at a time that are sorted by length and cut into batches; 0 is off."""
    threads: Threads = 0
    """CPU threads of one rank; 0: OMP_NUM_THREADS where it is set, else this process' cores, shared evenly by
    the ranks. Left out of the resolved profile if it is 0, in the evaluation too."""

    @model_validator(mode="after")
    def _cache_fits_the_rest(self) -> TrainingSection:
        if self.activation_cache_gib and (self.ranks > 1 or not self.share_prompt):
            raise ValueError("activation_cache_gib needs share_prompt = true and ranks = 1")
        return self

    @model_validator(mode="after")
    def _log_warmup_is_deepspeeds(self) -> TrainingSection:
        if self.warmup == "log" and (self.schedule == "cosine" or not self.warmup_ratio):
            raise ValueError("warmup = 'log' needs a warmup_ratio, and no cosine schedule")
        return self

    @model_validator(mode="after")
    def _muon_runs_as_declared(self) -> TrainingSection:
        if self.optimizer == "muon" and (self.max_grad_norm or self.offload_optimizer):
            raise ValueError(
                "optimizer = 'muon' needs max_grad_norm = 0 (DeepSpeed would clip Muon's update, not the "
                "gradient) and offload_optimizer = false"
            )
        return self

    @property
    def gamma(self) -> float:
        """SimPO's absolute margin, gamma = beta * (gamma / beta); 5 in the paper."""
        return self.beta * self.gamma_beta_ratio

    @property
    def pairs_per_step(self) -> int:
        """Pairs of an optimiser step."""
        return self.pairs_per_device * self.accumulation * self.ranks
