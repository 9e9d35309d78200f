"""What an arm without training does where the shared trainer asks: it refuses, or adds nothing."""

# ruff: noqa: ARG002 - the protocol's arguments

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from harness.core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class NothingTrained:
    """The part of `harness.arm.Arm` that a fitted arm has no use for."""

    def prepare(self, model: PreTrainedModel) -> NoReturn:
        raise _fitted()

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        raise _fitted()

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> None:
        return None

    def save(self, model: PreTrainedModel, folder: Path) -> NoReturn:
        raise _fitted()


def _fitted() -> TrainingError:
    return TrainingError("a fitted arm is not trained", remedy="`train` fits it; train another arm")
