"""v W_dec of a ReLU adapter (equation 5) with hand-written derivatives, which save two products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from fsrl.adapter import L0_FLOOR


class LeanRelu(torch.autograd.Function):
    """v = ReLU(W_a a + b_a) with masked features at 0; v W_dec, and v's L1 and L0 at each position.

    Under the chain rule, with g the gradient of v W_dec and h that of L1:

        dv = g W_dec^T + h     (where v > 0, else 0)
        dW_a = dv^T a,   db_a = sum of dv over positions,   da = dv W_a

    so that backward needs of v one bit an entry, which is all that is kept. Features go through in chunks: no
    tensor of all features at all positions exists but those bits.
    """

    @staticmethod
    def forward(
        ctx: Any, a_NxD: Tensor, weight: Tensor, bias: Tensor, masked: Tensor, W_dec: Tensor, size: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        delta_NxD = torch.zeros(a_NxD.shape, dtype=torch.float32, device=a_NxD.device)
        l1_N = torch.zeros(len(a_NxD), dtype=torch.float32, device=a_NxD.device)
        l0_N = torch.zeros_like(l1_N)
        needed, kept = any(ctx.needs_input_grad), []
        for part in chunks(len(weight), size):
            v_NxC = linear(a_NxD, weight[part], bias[part]).relu_().masked_fill_(masked[part], 0)
            delta_NxD += v_NxC @ W_dec[part]
            l1_N += v_NxC.sum(-1, dtype=torch.float32)
            l0_N += torch.count_nonzero(v_NxC > L0_FLOOR, dim=-1)
            if needed:
                kept.append(to_bits(v_NxC > 0))
        ctx.save_for_backward(a_NxD, weight, W_dec, *kept)
        ctx.size = size
        ctx.mark_non_differentiable(l0_N)
        return delta_NxD, l1_N, l0_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
        a_NxD, weight, W_dec, *kept = ctx.saved_tensors
        to_delta_NxD, to_l1_Nx1 = grads[0].to(a_NxD.dtype), grads[1].to(a_NxD.dtype).unsqueeze(-1)
        to_weight, to_bias = torch.empty_like(weight), weight.new_empty(len(weight))
        to_a_NxD = torch.zeros_like(a_NxD, dtype=torch.float32) if ctx.needs_input_grad[0] else None
        for part, bits in zip(chunks(len(weight), ctx.size), kept, strict=True):
            to_v_NxC = linear(to_delta_NxD, W_dec[part]).add_(to_l1_Nx1)
            to_v_NxC *= from_bits(bits, to_v_NxC.shape[-1])
            torch.mm(to_v_NxC.T, a_NxD, out=to_weight[part])
            torch.sum(to_v_NxC, 0, out=to_bias[part])
            if to_a_NxD is not None:
                to_a_NxD += to_v_NxC @ weight[part]
        to_a = None if to_a_NxD is None else to_a_NxD.to(a_NxD.dtype)
        return to_a, to_weight, to_bias, None, None, None


def chunks(features: int, size: int) -> list[slice]:
    """Slices of `size` features."""
    return [slice(start, start + size) for start in range(0, features, size)]


def to_bits(mask_NxC: Tensor) -> Tensor:
    """(N, C) bool as (N, ceil(C / 8)) bytes."""
    padded = pad(mask_NxC, (0, -mask_NxC.shape[-1] % 8)).view(torch.uint8)
    eights = padded.reshape(len(padded), -1, 8)
    found = eights[..., 0].clone()
    for place in range(1, 8):
        found |= eights[..., place] << place
    return found


def from_bits(bits: Tensor, features: int) -> Tensor:
    """(N, features) bool from `to_bits`."""
    eights = bits.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8, device=bits.device)
    mask_NxC: Tensor = (eights & 1).flatten(-2)[..., :features].bool()
    return mask_NxC
