"""ReFT-r1 (AxBench, arXiv 2501.17148): one trained direction that detects and steers, at its own position.

AxBench adds to every position of a sequence the mean of the k largest ReLU(x . v) in it, times a unit vector
v. An edit here may look at its own position only, since evaluation packs several questions into one row and a
prompt must score alike alone and padded; so k is 1 and the sequence is the position
(docs/decisions/0122-reft-r1-at-its-own-position.md). A scale that starts at 0 makes the start the base.
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
    """x' = x + s ReLU(x . u) u with u = v / |v|; v is drawn from the run's seed, s = 0 at the start."""

    @staticmethod
    def trainable_entries(config: Config, shape: Any) -> int:
        """v and s."""
        return int(shape.d_model + 1)

    def start(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """v (d_model,), of length 1, and s (1,)."""
        import torch

        draw = torch.Generator().manual_seed(self.scene.seed)
        vector_D = torch.randn(model.config.get_text_config().hidden_size, generator=draw)
        return {"vector": vector_D / vector_D.norm(), "scale": torch.zeros(1)}

    def change(self, x: Tensor, tensors: Tensors) -> Tensor:
        """s ReLU(x . u) u times the dial's factor; nulled, what takes x's part along u away: -(x . u) u."""
        unit_D: Tensor = tensors["vector"] / tensors["vector"].norm()
        along_x1: Tensor = (x @ unit_D).unsqueeze(-1)
        if self.dial.nulled:
            return -along_x1 * unit_D
        return self.dial.factor * tensors["scale"] * along_x1.relu() * unit_D
