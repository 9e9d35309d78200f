"""The untouched base model."""

# ruff: noqa: ARG002, ARG004 - the protocol's arguments, whether this arm needs them or not

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from harness.core.documents import Strict
from harness.core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.arm import Scene
    from harness.profiles.sections import SaeSection


class Config(Strict):
    """The base has no options."""


class Arm:
    """The base model as it was published: nothing is trained, nothing is added."""

    kind: ClassVar[Literal["untrained"]] = "untrained"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config = config

    @staticmethod
    def frozen_through(config: Config, sae: SaeSection) -> NoReturn:
        raise _untrained()

    def prepare(self, model: PreTrainedModel) -> NoReturn:
        raise _untrained()

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        raise _untrained()

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> None:
        return None

    def save(self, model: PreTrainedModel, folder: Path) -> NoReturn:
        raise _untrained()

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """The base needs no weights beyond its own."""
        model.requires_grad_(False)


def _untrained() -> TrainingError:
    return TrainingError("the base arm is not trained", remedy="evaluate it as it is, or train another arm")
