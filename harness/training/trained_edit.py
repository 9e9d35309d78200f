"""What arms share that train an edit of the residual stream at one block while the model stays frozen.

A subclass says which tensors it trains (`start`) and what they add to a position (`change`).
"""

# ruff: noqa: ARG002 - the protocol's arguments, whether this arm needs them or not

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.arm import Dial
from harness.core.documents import Strict
from harness.core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from harness.arm import Penalty, Scene
    from harness.profiles.sections import SaeSection

NAME = "trained_edit"
"""Name of the submodule under which an edited model holds the tensors of its edit."""
Tensors = Mapping[str, "Tensor"]


class EditConfig(Strict):
    """Options of every such arm.

    Attributes:
        learning_rate: AdamW's rate after the warm-up.
        layer: block whose output is edited; None: the SAE's.
    """

    learning_rate: float = Field(gt=0)
    layer: Annotated[int, Field(ge=0)] | None = None


class TrainedEdit:
    """`harness.arm.Arm` for x' = x + change(x), computed in float32 and added in the residual dtype."""

    kind: ClassVar[Literal["trained"]] = "trained"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Any, scene: Scene) -> None:
        self.config, self.scene, self.dial = config, scene, Dial()

    @staticmethod
    def frozen_through(config: EditConfig, sae: SaeSection) -> int:
        """The block whose output is edited."""
        return sae.layer if config.layer is None else config.layer

    def start(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """The trained tensors before training, float32; the edit is then 0 at every position."""
        raise NotImplementedError

    def change(self, x: Tensor, tensors: Tensors) -> Tensor:
        """What is added to x (..., d_model), float32; it obeys `self.dial`."""
        raise NotImplementedError

    def frozen(self, model: PreTrainedModel) -> None:
        """Bring what the edit reads and nobody trains, before the first forward pass."""

    def prepare(self, model: PreTrainedModel) -> None:
        """Freeze the model and hook in the edit, in the model's dtype.

        Raises:
            ProfileError: the model has no such block.
        """
        from torch import nn

        from harness.models.residual import edit_residual

        model.requires_grad_(False)
        self.frozen(model)
        start = {name: one.to(model.device, model.dtype) for name, one in self.start(model).items()}
        held = nn.ParameterDict({name: nn.Parameter(one) for name, one in start.items()})
        layer = self.frozen_through(self.config, self.scene.sae)
        edit_residual(
            model, layer, lambda x: self.change(x, {name: one.float() for name, one in held.items()})
        )
        model.add_module(NAME, held.eval())

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """All tensors of the edit at one rate."""
        return [{"params": list(tensors_of(model).values()), "lr": self.config.learning_rate}]

    def penalty(
        self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float
    ) -> Penalty | None:
        return None

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the tensors, and what they belong to."""
        from harness.training import arm_file

        arm_file.write(folder, dict(tensors_of(model)), self._belongs_to())

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Edit a fresh base model as the trained one was.

        Raises:
            HarnessError: as `harness.training.arm_file.read`.
        """
        from harness.training import arm_file

        self.prepare(model)
        arm_file.read(folder, dict(tensors_of(model)), self._belongs_to())
        model.requires_grad_(False)

    def _belongs_to(self) -> dict[str, Any]:
        return {
            "model_digest": self.scene.model_digest,
            "sae_digest": self.scene.sae_digest if self.uses_sae else "",
            "layer": self.frozen_through(self.config, self.scene.sae),
            "options": self.config.model_dump(mode="json"),
        }


def tensors_of(model: PreTrainedModel) -> nn.ParameterDict:
    """The tensors of a prepared model's edit.

    Raises:
        TrainingError: the model has none.
    """
    from torch import nn

    held = getattr(model, NAME, None)
    if not isinstance(held, nn.ParameterDict):
        raise TrainingError("the arm is not attached to the model", remedy="call prepare or load first")
    return held
