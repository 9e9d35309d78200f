"""Equation 5 without gradients: v W_dec from the rows of W_dec that some position steers with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, linear

from fsrl.adapter import L0_FLOOR
from fsrl.lean import chunks

FEW = {"cpu": 0.05, "cuda": 0.005}
"""Largest share of entries of v, by device, at which reading one row of W_dec an entry beats the product.

The product of (N, C) and (C, D) is bound by arithmetic, 2 N C D FLOPs; rows are bound by memory, N C D s
bytes at share 1 and s bytes a number. They meet at the share 2 / (s b) of a machine that does b FLOPs a byte:
0.1 at 5 FLOPs a byte in float32, 0.005 at 200 in bfloat16. The CPU's is halved, as measured there; the other
is arithmetic.
"""
FEW_ROWS = 0.5
"""Few positions leave the product bound by memory too: it reads C rows, active entries one each."""


def steer(
    a_NxD: Tensor, weight: Tensor, bias: Tensor, masked: Tensor, W_dec: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """As `LeanRelu`, and bit for bit where v is dense: v W_dec, L1 and L0, each float32; no gradients.

    Where few entries of v are above 0 the rest, which would add exact zeros, is left out; the sum is the same
    up to the order of its terms. Which of the two is decided for each chunk of features by `are_few`.
    """
    delta_NxD = torch.zeros(a_NxD.shape, dtype=torch.float32, device=a_NxD.device)
    l1_N = torch.zeros(len(a_NxD), dtype=torch.float32, device=a_NxD.device)
    l0_N = torch.zeros_like(l1_N)
    any_masked = bool(masked.any())
    for part in chunks(len(weight), size):
        v_NxC = linear(a_NxD, weight[part], bias[part]).relu_()
        if any_masked:
            v_NxC.masked_fill_(masked[part], 0)
        if are_few(int(torch.count_nonzero(v_NxC)), v_NxC):
            part_NxD, part_l1_N, part_l0_N = _rows(v_NxC, W_dec[part])
        else:
            part_NxD, part_l1_N = v_NxC @ W_dec[part], v_NxC.sum(-1, dtype=torch.float32)
            part_l0_N = torch.count_nonzero(v_NxC > L0_FLOOR, dim=-1)
        delta_NxD += part_NxD
        l1_N += part_l1_N
        l0_N += part_l0_N
    return delta_NxD, l1_N, l0_N


def are_few(active: int, v_NxC: Tensor) -> bool:
    """Whether reading the active rows is faster than multiplying with the whole chunk."""
    positions, features = v_NxC.shape
    return active <= features * max(FEW.get(v_NxC.device.type, 0.0) * positions, FEW_ROWS)


def _rows(v_NxC: Tensor, W_dec_CxD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """v W_dec, (N, D), L1 and L0, each (N,), from the active entries alone."""
    positions, features = v_NxC.nonzero(as_tuple=True)
    values = v_NxC[positions, features]
    active_N = torch.bincount(positions, minlength=len(v_NxC))
    found_NxD = embedding_bag(
        features, W_dec_CxD, active_N.cumsum(0) - active_N, mode="sum", per_sample_weights=values
    )
    l1_N = torch.segment_reduce(values.float(), "sum", lengths=active_N, unsafe=True)
    small_N = torch.bincount(positions[values <= L0_FLOOR], minlength=len(v_NxC))
    return found_NxD, l1_N, active_N - small_N
