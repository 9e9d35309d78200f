"""One trained vector, added to the residual stream at every position (BiPO, arXiv 2406.00045).

With the objective `dpo` and `bidirectional = true` it is trained as BiPO's. It asks whether a learned policy
is needed, or one direction does.
"""

# ruff: noqa: ARG004 - as in the protocol

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.training.trained_edit import EditConfig, Tensors, TrainedEdit

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class Config(EditConfig):
    """Options of the arm: `EditConfig`'s."""


class Arm(TrainedEdit):
    """x' = x + v, v = 0 at the start."""

    @staticmethod
    def trainable_entries(config: Config, shape: Any) -> int:
        """v."""
        return int(shape.d_model)

    def start(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """v (d_model,)."""
        import torch

        return {"vector": torch.zeros(model.config.get_text_config().hidden_size)}

    def change(self, x: Tensor, tensors: Tensors) -> Tensor:
        """v times the dial's factor; nulled, what takes x's part along v away: -(x . v / |v|^2) v."""
        vector_D = tensors["vector"]
        if not self.dial.nulled:
            return self.dial.factor * vector_D
        square = vector_D.square().sum().clamp(min=1e-30)  # a vector of zeros has no direction to take away
        return -((x @ vector_D) / square).unsqueeze(-1) * vector_D
