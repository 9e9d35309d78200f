"""Eager attention for evaluation that leaves out what its mask hides: the same sums, with fewer numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "harness_blocked"
BLOCK = 64
"""Queries that are computed together; their scores stay in a CPU's cache."""


def blocked_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Soft-capped attention under an additive mask, without gradients.

    A block of queries reads only the columns from the first to the last that any of them sees; heads that
    share keys and values read them in place. Transformers' eager attention gives the same up to rounding,
    but for positions that see nothing.

    Args:
        query: (B, H, T, E).
        key, value: (B, G, S, E) with G dividing H.
        attention_mask: (B or 1, 1, T, S), 0 where a column is seen and the dtype's least where it is not.
    """
    rows, heads, length, size = query.shape
    groups = key.shape[1]
    result = query.new_empty(rows, length, heads, size)
    query = query * (scaling if softcap is None else scaling / softcap)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        mask = attention_mask[:, :, start:stop]
        first, last = _range(mask) if length > 1 else (0, key.shape[2])
        of_group = query[:, :, start:stop].reshape(rows, groups, -1, size)
        scores = of_group @ key[:, :, first:last].transpose(2, 3)
        if softcap is not None:
            scores = scores.tanh_().mul_(softcap)
        scores = scores.view(rows, heads, stop - start, last - first).add_(mask[..., first:last])
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        weights = weights.view(rows, groups, -1, last - first)
        found = (weights @ value[:, :, first:last]).view(rows, heads, stop - start, size)
        result[:, start:stop] = found.transpose(1, 2)
    return result, None


def _range(mask: Tensor) -> tuple[int, int]:
    """The first column that is seen, and the one after the last."""
    seen = (mask == 0).flatten(0, 2).any(dim=0).nonzero()
    return (int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, mask.shape[-1])


AttentionInterface.register(NAME, blocked_attention)
AttentionMaskInterface.register(NAME, eager_mask)


@contextmanager
def blocked(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model's blocks attend with `blocked_attention`."""
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def blocked_eager(model: PreTrainedModel) -> AbstractContextManager[None]:
    """`blocked` where the profile's attention is eager; another one leaves out what is hidden by itself."""
    return blocked(model) if model.config._attn_implementation == "eager" else nullcontext()
