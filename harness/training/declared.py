"""Compares what training really did with what the profile declares."""

from __future__ import annotations

from harness.core.errors import TrainingError
from harness.profiles.profile import Profile
from harness.training.schedule import check_rates, declared_rates, step_count
from harness.training.trainer import SimpoTrainer


def check_declared(trainer: SimpoTrainer, profile: Profile) -> None:
    """Compare training with the profile: the learning rates of every group, and the clipping.

    Raises:
        TrainingError: they differ.
    """
    section = profile.training
    steps = step_count(len(trainer.train_dataset), section.pairs_per_step)
    for index, group in enumerate(trainer.arm.parameter_groups(trainer.model.language_model)):
        declared = declared_rates(
            section.schedule, float(group["lr"]), steps, section.warmup_ratio, section.warmup
        )
        check_rates([step.rates[index] for step in trainer.steps], declared)
    if clipping_of(trainer) != section.max_grad_norm:
        raise TrainingError(
            "gradients were clipped at a different norm from the profile's",
            value=f"{clipping_of(trainer)} instead of {section.max_grad_norm}",
            remedy="look for gradient_clipping in the engine's settings",
        )


def clipping_of(trainer: SimpoTrainer) -> float:
    """The clipping norm that really was set: the engine's, or the trainer's own without an engine."""
    if trainer.deepspeed is not None:
        return float(trainer.deepspeed.gradient_clipping())
    return float(trainer.args.max_grad_norm)
