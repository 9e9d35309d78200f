"""The residual stream at the steered block, before the steering: the model's later blocks never run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Rows(NamedTuple):
    """Sequences padded on the right into one batch.

    Attributes:
        ids_BxT: int64.
        mask_BxT: int64, 1 on real tokens.
    """

    ids_BxT: Tensor
    mask_BxT: Tensor


class _Reached(Exception):
    """Carries the residual stream out of the model."""

    def __init__(self, x_BxTxD: Tensor) -> None:
        super().__init__()
        self.x_BxTxD = x_BxTxD


class ResidualReader:
    """Reads x of equation 5. The hook comes before the steering's, which therefore never changes x."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    @torch.no_grad()
    def __call__(self, rows: Rows) -> Tensor:
        """(B, T, d_in) in the model's dtype."""
        device = self.model.device
        try:
            self.model.get_decoder()(
                input_ids=rows.ids_BxT.to(device),
                attention_mask=rows.mask_BxT.to(device),
                use_cache=False,
            )
        except _Reached as reached:
            return reached.x_BxTxD
        raise RuntimeError("the forward pass did not reach the steered block")


@contextlib.contextmanager
def residual_reader(model: PreTrainedModel, layer: int) -> Iterator[ResidualReader]:
    """A reader of the residual stream after block `layer`, as long as the context lasts."""
    blocks: Any = model.model.layers
    handle = blocks[layer].register_forward_hook(_stop, prepend=True)
    try:
        yield ResidualReader(model)
    finally:
        handle.remove()


def _stop(_module: Any, _args: Any, output: Any) -> None:
    raise _Reached(output[0] if isinstance(output, tuple) else output)


def pad_rows(sequences: Sequence[Sequence[int]], pad_id: int) -> Rows:
    """Pad token ids on the right to the longest of them."""
    length = max(map(len, sequences))
    ids = torch.full((len(sequences), length), pad_id, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for index, sequence in enumerate(sequences):
        ids[index, : len(sequence)] = torch.tensor(sequence)
        mask[index, : len(sequence)] = 1
    return Rows(ids, mask)
