"""Compares what training really did with what the profile declares."""

from __future__ import annotations

from harness.core.errors import ProfileError, TrainingError
from harness.profiles.profile import Profile
from harness.profiles.sections import TrainingSection
from harness.training.schedule import check_rates, declared_rates, step_count
from harness.training.trainer import PairTrainer


def refuse_no_rate(section: TrainingSection, rows: int) -> None:
    """Refuse, before training, a schedule under which no step would move anything.

    Args:
        rows: pairs over all epochs.

    Raises:
        ProfileError: every step's rate is 0, because all of them lie at the start of the warm-up.
    """
    per_step = section.pairs_per_step
    rates = _declared(section, 1.0, step_count(rows, per_step))
    if not any(rates):
        raise ProfileError(
            f"all optimiser steps ({len(rates)}) lie in the warm-up where the learning rate is still 0",
            value=f"training.warmup_ratio = {section.warmup_ratio:g}; {rows} pairs over all epochs, "
            f"{per_step} a step",
            remedy="set training.warmup_ratio = 0; or take more pairs or epochs, or fewer pairs a step "
            "(training.accumulation)",
        )


def check_declared(trainer: PairTrainer, profile: Profile) -> None:
    """Compare training with the profile: the learning rates of every group, and the clipping.

    Raises:
        TrainingError: they differ.
    """
    section = profile.training
    steps = step_count(len(trainer.train_dataset), section.pairs_per_step)
    for index, group in enumerate(trainer.arm.parameter_groups(trainer.model.language_model)):
        check_rates(
            [step.rates[index] for step in trainer.steps], _declared(section, float(group["lr"]), steps)
        )
    if clipping_of(trainer) != section.max_grad_norm:
        raise TrainingError(
            "gradients were clipped at a different norm from the profile's",
            value=f"{clipping_of(trainer)} instead of {section.max_grad_norm}",
            remedy="look for gradient_clipping in the engine's settings",
        )


def _declared(section: TrainingSection, peak: float, steps: int) -> list[float]:
    return declared_rates(section.schedule, peak, steps, section.warmup_ratio, section.warmup)


def clipping_of(trainer: PairTrainer) -> float:
    """The clipping norm that really was set: the engine's, or the trainer's own without an engine."""
    if trainer.deepspeed is not None:
        return float(trainer.deepspeed.gradient_clipping())
    return float(trainer.args.max_grad_norm)
