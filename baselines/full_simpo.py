"""Full fine-tuning: every parameter of the base model follows the SimPO loss."""

# ruff: noqa: ARG002 - the protocol's arguments, whether this arm needs them or not

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.core.documents import Strict
from harness.core.errors import DamagedFileError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.arm import Scene
    from harness.profiles.sections import SaeSection


class Config(Strict):
    """Options of the arm.

    Attributes:
        learning_rate: AdamW's rate after the warm-up.
    """

    learning_rate: float = Field(gt=0)


class Arm:
    """All parameters train; there is no penalty."""

    kind: ClassVar[Literal["trained"]] = "trained"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config = config

    @staticmethod
    def frozen_through(config: Config, sae: SaeSection) -> None:
        """Every block changes."""

    def prepare(self, model: PreTrainedModel) -> None:
        """Every parameter requires a gradient."""
        model.requires_grad_(True)

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """One group with all parameters; tied ones appear once."""
        return [{"params": list(model.parameters()), "lr": self.config.learning_rate}]

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> None:
        return None

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the model as transformers does, in its own dtype: safetensors and configuration."""
        model.save_pretrained(folder)

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Put the trained weights into a fresh base model and tie what is tied; no gradients.

        Raises:
            DamagedFileError: a file cannot be read, or its weights are not the model's.
        """
        weights = _read(folder)
        expected = model.state_dict()
        tied = set(model.all_tied_weights_keys)
        missing = sorted(expected.keys() - weights.keys() - tied)
        unknown = sorted(weights.keys() - expected.keys())
        wrong = sorted(k for k in weights.keys() & expected.keys() if weights[k].shape != expected[k].shape)
        if missing or unknown or wrong:
            raise _damaged(f"the weights are not this model's ({[*missing, *unknown, *wrong][0]})", folder)
        model.load_state_dict(weights, strict=False)
        model.tie_weights()
        model.requires_grad_(False)


def _read(folder: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _damaged("the folder holds no weights", folder)
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            weights.update(load_file(file))
        except (OSError, SafetensorError) as error:
            raise _damaged(f"the weight file cannot be read ({error})", file) from error
    return weights


def _damaged(cause: str, path: Path) -> DamagedFileError:
    return DamagedFileError(cause, value=path, remedy="run `train` again for this arm")
