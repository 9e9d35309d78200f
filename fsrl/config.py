"""The FSRL arm's keys in a profile. Importing it imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fsrl.mask import FeatureMask
from harness.core.documents import Strict

Rate = Annotated[float, Field(gt=0)]


class JumpRelu(Strict):
    """Options of the JumpReLU adapter (paper, appendix C).

    Attributes:
        threshold: where every threshold, and every bias with it, starts.
        bandwidth: width of the straight-through estimator's rectangle.
        threshold_learning_rate: of the log-thresholds, about 1e3 times that of the weights.
    """

    threshold: Rate = 1e-3
    bandwidth: Rate = 1e-3
    threshold_learning_rate: Rate


class Config(Strict):
    """The arm's keys in a profile.

    Attributes:
        learning_rate: of the adapter.
        penalty_coefficient: alpha, on L1 (on L0 for a JumpReLU).
        penalty_positions: which positions the penalty averages over; `all` counts padding too, as the
            paper's code does.
        penalty_warmup: share of the training steps at the start in which the penalty is 0.
        activation: `relu` is equation 5.
        jump_relu: options of that activation, which needs them.
        soft_threshold: where the thresholds of that activation start.
        top_fraction: share of the dictionary kept at each position by abs(v); 1 keeps all.
        fusion_relu: whether f + v goes through a ReLU (the authors' later code); changes nothing with `relu`.
        feature_mask: features that never steer, in training or after it, and get no gradient; None: all may.
        chunk_features: features computed at a time, and again in the backward pass; 0 keeps them all.
    """

    learning_rate: Rate
    penalty_coefficient: Annotated[float, Field(ge=0)]
    penalty_positions: Literal["all", "non_padding", "response"] = "non_padding"
    penalty_warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    activation: Literal["relu", "jump_relu", "soft_threshold"] = "relu"
    jump_relu: JumpRelu | None = None
    soft_threshold: Annotated[float, Field(ge=0)] = 0.0
    top_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    fusion_relu: bool = False
    feature_mask: Annotated[FeatureMask | None, Field(exclude_if=lambda value: value is None)] = None
    chunk_features: Annotated[int, Field(ge=0)] = 8192

    @property
    def files(self) -> tuple[str, ...]:
        """What the options name below the data root."""
        return () if self.feature_mask is None else (self.feature_mask.file,)

    @model_validator(mode="after")
    def _options_belong_to_the_activation(self) -> Config:
        if (self.jump_relu is not None) != (self.activation == "jump_relu"):
            raise ValueError("the table jump_relu goes with activation = 'jump_relu', and with no other")
        if self.soft_threshold and self.activation != "soft_threshold":
            raise ValueError("soft_threshold goes with activation = 'soft_threshold', and with no other")
        return self
