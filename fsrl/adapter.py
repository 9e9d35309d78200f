"""The trainable part: a linear layer from the residual stream to a steering vector over SAE features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

Activation = Literal["relu", "jump_relu", "soft_threshold"]
INIT_BOUND = 1e-9
"""Weights start in Uniform(-1e-9, 1e-9): v is all but 0 and every gradient exists. A soft threshold above 0
takes its place: within 1e-9 every unit would be shut, and stay so for want of a gradient."""
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
        dtype: of weight, bias and soft threshold; a JumpReLU's threshold and bias stay float32, even after
            a cast of the module: bias and threshold start alike, and bfloat16 would round one past the other.
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
        bound = (threshold if activation == "soft_threshold" else 0.0) or INIT_BOUND
        draw = torch.empty(d_sae, d_in).uniform_(
            -bound, bound, generator=torch.Generator("cpu").manual_seed(seed)
        )
        self.activation, self.bandwidth, self.top_fraction = activation, bandwidth, top_fraction
        self.weight = nn.Parameter(draw.to(dtype))
        self.bias = nn.Parameter(
            torch.zeros(d_sae, dtype=torch.float32 if activation == "jump_relu" else dtype)
        )
        self._float32: dict[str, Tensor] = {}
        if activation == "jump_relu":
            start = torch.full((d_sae,), threshold).log().bfloat16().float()
            self.log_threshold = nn.Parameter(start)
            self.bias.data.copy_(start.exp())
            self._float32 = {"bias": start.exp(), "log_threshold": start.clone()}
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
        """Force v to 0 at these features and those silenced, no others; an empty list lifts the mask.

        The mask comes before the top-k: a masked feature takes no place among the k.
        """
        self.masked.copy_(self.silenced)
        self.masked[features] = True

    def silence(self, features: list[int]) -> None:
        """Force v to 0 at these features, also where `mask` would allow it."""
        self.silenced[features] = True
        self.mask([])

    def forward(self, a: Tensor) -> Tensor:
        """The whole steering vector at once: (..., d_in) -> (..., d_sae)."""
        v, _ = self.activate(self.pre_activations(a, self.weight, self.bias), self.threshold)
        v = v.masked_fill(self.masked, 0)
        if self.kept == self.d_sae:
            return v
        return v.masked_fill(~largest(v.detach().abs(), self.kept), 0)

    def pre_activations(self, a: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """z = W_a a + b_a of some features, (..., features); float32 where the bias alone is (JumpReLU)."""
        if weight.dtype == bias.dtype:
            return nn.functional.linear(a, weight, bias)
        return nn.functional.linear(a, weight).float() + bias

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
        return v.to(self.weight.dtype), step

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Adapter:
        """Casts and moves go through here; a JumpReLU's bias and thresholds come out as float32.

        DeepSpeed casts each parameter of a fresh adapter on its own and then moves the module.
        """
        before = {name: _uncast(getattr(self, name).data, start) for name, start in self._float32.items()}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in before.items():
            parameter = getattr(self, name)
            if parameter.dtype != torch.float32:
                parameter.data = value.to(parameter.device)
        return self


def _uncast(now: Tensor, start: Tensor) -> Tensor:
    """As float32: the start where `now` is a cast of it."""
    same = now.dtype != start.dtype and torch.equal(now.cpu(), start.to(now.dtype))
    return start if same else now.float()


def largest(size: Tensor, k: int) -> Tensor:
    """Bool like `size`: the k largest along the last dimension, NaN before all, of equal ones the first."""
    size = size.masked_fill(size.isnan(), torch.inf)
    last = size.topk(k).values[..., -1:]
    above, tied = size > last, size == last
    room = k - above.sum(-1, keepdim=True)
    return above | (tied & (tied.cumsum(-1, dtype=torch.int32) <= room))
