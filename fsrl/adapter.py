"""The trainable part: a linear layer from the residual stream to a steering vector over SAE features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

Activation = Literal["relu", "jump_relu", "soft_threshold"]
INIT_BOUND = 1e-9
"""Weights start in Uniform(-1e-9, 1e-9): v is all but 0 and every gradient exists."""
L0_FLOOR = 1e-6
"""A feature counts as steering where abs(v) exceeds this."""


class JumpRelu(torch.autograd.Function):
    """z H(z - theta); theta's gradient is -(theta / bandwidth) K((z - theta) / bandwidth), K a rectangle."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(z, theta)
        ctx.bandwidth = bandwidth
        return z * (z > theta)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        z, theta = ctx.saved_tensors
        near = _rectangle(z, theta, ctx.bandwidth)
        to_theta = -(theta / ctx.bandwidth) * near * grads[0]
        return grads[0] * (z > theta), _over_positions(to_theta), None


class Step(torch.autograd.Function):
    """H(z - theta); theta's gradient is -(1 / bandwidth) K((z - theta) / bandwidth), that of z is 0."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(z, theta)
        ctx.bandwidth = bandwidth
        return (z > theta).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        z, theta = ctx.saved_tensors
        to_theta = -_rectangle(z, theta, ctx.bandwidth) / ctx.bandwidth * grads[0]
        return None, _over_positions(to_theta), None


def _rectangle(z: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
    return ((z - theta).abs() < bandwidth / 2).to(z.dtype)


def _over_positions(grad: Tensor) -> Tensor:
    return grad.reshape(-1, grad.shape[-1]).sum(dim=0)


class Adapter(nn.Module):
    """v = activation(W_a x + b_a), equation 5, and the variants of appendix C and of the authors' later code.

    Args:
        d_in, d_sae: width of the residual stream, number of features.
        activation: `relu` (equation 5), `jump_relu` (learnable thresholds) or `soft_threshold`
            (sign(z) ReLU(abs(z) - threshold), signed).
        dtype: of weight, bias and soft threshold; a JumpReLU's threshold stays float32, even after
            a cast of the module.
        threshold: where the thresholds start; a JumpReLU's to bfloat16 precision, and its bias with it.
        bandwidth: of the straight-through estimator (JumpReLU only).
        seed: of the initial weights.

    Attributes:
        weight: (d_sae, d_in); bias: (d_sae,).
        log_threshold: (d_sae,) float32, of a JumpReLU only; soft_threshold: (d_sae,), likewise.
        masked: (d_sae,) bool, features whose v is forced to 0 now: those silenced and those of an ablation.
        silenced: (d_sae,) bool, features that never steer.
        top_fraction: share of the dictionary kept at each position by abs(v); 1 keeps all.
    """

    masked: Tensor
    silenced: Tensor

    def __init__(
        self,
        d_in: int,
        d_sae: int,
        *,
        activation: Activation = "relu",
        dtype: torch.dtype = torch.float32,
        threshold: float = 0.0,
        bandwidth: float = 1e-3,
        top_fraction: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        draw = torch.empty(d_sae, d_in).uniform_(
            -INIT_BOUND, INIT_BOUND, generator=torch.Generator("cpu").manual_seed(seed)
        )
        self.activation, self.bandwidth, self.top_fraction = activation, bandwidth, top_fraction
        self.weight = nn.Parameter(draw.to(dtype))
        self.bias = nn.Parameter(torch.zeros(d_sae, dtype=dtype))
        if activation == "jump_relu":
            # On bfloat16's grid, so that an engine that casts all parameters before training changes nothing.
            start = torch.full((d_sae,), threshold).log().bfloat16().float()
            self.log_threshold = nn.Parameter(start)
            self.bias.data.copy_(start.exp())
        elif activation == "soft_threshold":
            self.soft_threshold = nn.Parameter(torch.full((d_sae,), threshold, dtype=dtype))
        for name in ("masked", "silenced"):
            self.register_buffer(name, torch.zeros(d_sae, dtype=torch.bool), persistent=False)

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return self.weight.shape[0]

    @property
    def threshold(self) -> nn.Parameter | None:
        """The activation's own learnable vector, (d_sae,), if it has one."""
        name = {"jump_relu": "log_threshold", "soft_threshold": "soft_threshold"}.get(self.activation)
        return None if name is None else cast(nn.Parameter, getattr(self, name))

    @property
    def kept(self) -> int:
        """Features kept at each position: k = max(1, int(d_sae * fraction))."""
        return max(1, int(self.d_sae * self.top_fraction))

    def mask(self, features: list[int]) -> None:
        """Force v to 0 at these features and those silenced, no others; an empty list lifts the mask."""
        self.masked.copy_(self.silenced)
        self.masked[features] = True

    def silence(self, features: list[int]) -> None:
        """Force v to 0 at these features, also where `mask` would allow it."""
        self.silenced[features] = True
        self.mask([])

    def forward(self, a: Tensor) -> Tensor:
        """The whole steering vector at once: (..., d_in) -> (..., d_sae)."""
        v, _ = self.activate(nn.functional.linear(a, self.weight, self.bias), self.threshold)
        v = v.masked_fill(self.masked, 0)
        if self.kept == self.d_sae:
            return v
        kept = torch.zeros_like(v, dtype=torch.bool).scatter_(
            -1, v.detach().abs().topk(self.kept).indices, True
        )
        return v.masked_fill(~kept, 0)

    def activate(self, z: Tensor, threshold: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """From pre-activations of some features to their steering.

        Args:
            z: (..., features).
            threshold: these features' part of `self.threshold`.

        Returns:
            v (..., features); for a JumpReLU also the step, float32, that sums to a trainable L0.
        """
        if self.activation == "relu":
            return torch.relu(z), None
        if threshold is None:
            raise ValueError(f"{self.activation} needs thresholds")
        if self.activation == "soft_threshold":
            return torch.sign(z) * torch.relu(z.abs() - threshold), None
        positive, theta = torch.relu(z).float(), threshold.exp()
        v = cast(Tensor, JumpRelu.apply(positive, theta, self.bandwidth))  # type: ignore[no-untyped-call]
        step = cast(Tensor, Step.apply(positive, theta, self.bandwidth))  # type: ignore[no-untyped-call]
        return v.to(z.dtype), step

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Adapter:
        """Casts and moves of the module go through here: a JumpReLU's thresholds come out as float32."""
        before = self.log_threshold.detach().float() if self.activation == "jump_relu" else None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if before is not None and self.log_threshold.dtype != before.dtype:
            self.log_threshold.data = before.to(self.log_threshold.device)
        return self
