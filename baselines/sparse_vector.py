"""One trained vector over the SAE's features (YaPO, arXiv 2601.08441), added to every position's features.

x' = x + (g(f + w) - f) W_dec with f the SAE's features of x, w = 0 at the start, and g a ReLU (YaPO's code)
or nothing, where the edit is the constant w W_dec. Under a ReLU a feature that is active nowhere has no
gradient at w = 0 and never moves: `over_rows` counts those that can.
"""

# ruff: noqa: ARG002, ARG004 - the protocol's arguments, whether this arm needs them or not

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.arm import Dial, Penalty
from harness.training.trained_edit import EditConfig, Tensors, TrainedEdit

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from fsrl.sae import Sae
    from harness.arm import Scene
    from harness.core.pair_tokens import PairTokens

L0_FLOOR = 1e-6
"""An entry of w counts as steering above this, as in FSRL."""


class Config(EditConfig):
    """Options of the arm.

    Attributes:
        nonlinearity: g, `relu` or `none`.
        penalty_coefficient: times the sum of abs(w), added to the loss.
        chunk_features: features computed at a time, again in the backward pass; 0: all at once.
    """

    nonlinearity: Literal["relu", "none"] = "relu"
    penalty_coefficient: float = Field(default=0.0, ge=0)
    chunk_features: int = Field(default=0, ge=0)


class Arm(TrainedEdit):
    """w over the features; base and SAE stay frozen."""

    uses_sae: ClassVar[bool] = True
    movable = 1.0

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.dial = Dial(can_null=False)

    def frozen(self, model: PreTrainedModel) -> None:
        """Load the SAE, in float32.

        Raises:
            ProfileError: it does not belong to this place of this model.
        """
        from fsrl.sae import Sae

        layer = self.frozen_through(self.config, self.scene.sae)
        sae = Sae.from_folder(self.scene.sae_dir, encoder=self.config.nonlinearity == "relu")
        sae.check_fits(hidden_size=model.config.get_text_config().hidden_size, layer=layer)
        self.sae: Sae = sae.float().to(model.device)

    @staticmethod
    def trainable_entries(config: Config, shape: Any) -> int:
        """w."""
        return int(shape.d_sae)

    def start(self, model: PreTrainedModel) -> dict[str, Tensor]:
        """w (d_sae,)."""
        import torch

        self._vector_F = torch.zeros(self.sae.d_sae)
        return {"vector": self._vector_F}

    def change(self, x: Tensor, tensors: Tensors) -> Tensor:
        """(g(f + w) - f) W_dec, exactly 0 where w is 0; w times the dial's factor."""
        import torch
        from torch.utils.checkpoint import checkpoint

        self._vector_F = tensors["vector"]
        vector_F = self.dial.factor * tensors["vector"]
        if self.config.nonlinearity == "none":
            return vector_F @ self.sae.W_dec
        if not self.config.chunk_features:
            return self._chunk(x, vector_F, slice(None))
        total = torch.zeros_like(x)
        for start in range(0, self.sae.d_sae, self.config.chunk_features):
            part = slice(start, start + self.config.chunk_features)
            total = total + checkpoint(self._chunk, x, vector_F[part], part, use_reentrant=False)
        return total

    def _chunk(self, x: Tensor, vector_C: Tensor, part: slice) -> Tensor:
        f = self._features(x, part)
        return ((f + vector_C).relu() - f) @ self.sae.W_dec[part]

    def _features(self, x: Tensor, part: slice) -> Tensor:
        from fsrl.sae import gated_relu

        sae: Any = self.sae
        return gated_relu(sae.encoder_input(x) @ sae.W_enc[:, part] + sae.b_enc[part], sae.threshold[part])

    def over_rows(
        self, model: PreTrainedModel, rows: Sequence[PairTokens], pad_id: int, batch_size: int
    ) -> dict[str, Any]:
        """The share of features that are active somewhere in the training rows: a ReLU lets no other move."""
        if self.config.nonlinearity == "none":
            return {}
        import torch

        from harness.models.residual import residual_reader
        from harness.training.pairs import collate

        seen_F = torch.zeros(self.sae.d_sae, dtype=torch.bool, device=model.device)
        with residual_reader(model, self.frozen_through(self.config, self.scene.sae)) as read:
            for first in range(0, len(rows), batch_size):
                batch = collate(rows[first : first + batch_size], pad_id)
                x_BxTxD = read(batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT)
                x_NxD = x_BxTxD[batch.attention_mask_BxT.bool().to(x_BxTxD.device)].float()
                seen_F |= (self._features(x_NxD, slice(None)) > 0).any(0)
        self.movable = float(seen_F.float().mean())
        return {"active_features": int(seen_F.sum()), "movable": self.movable}

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> Penalty:
        """The coefficient times the sum of abs(w), whatever the batch."""
        l1 = self._vector_F.abs().sum()
        shape = attention_mask_BxT.shape
        l0 = (self._vector_F.detach().abs() > L0_FLOOR).sum().float()
        counted_BxT = attention_mask_BxT.bool()
        return Penalty(
            self.config.penalty_coefficient * l1, l1.detach().expand(shape), l0.expand(shape), counted_BxT
        )
