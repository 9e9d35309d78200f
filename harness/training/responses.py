"""The residual stream at the response positions of preference pairs, and how large an edit of it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from harness.models.residual import residual_reader
from harness.training.pairs import PairTokens, collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.arm import FitRows


class Responses(NamedTuple):
    """The residual stream of one pair's responses, on the model's device.

    Attributes:
        chosen_WxD, rejected_LxD: float32, at the positions of each response, in order.
        shared: leading positions at which both responses have the same tokens.
    """

    chosen_WxD: Tensor
    rejected_LxD: Tensor
    shared: int


def responses(
    model: PreTrainedModel, layer: int, rows: Sequence[PairTokens], *, pad_id: int, batch_size: int
) -> Iterator[Responses]:
    """Read the unedited stream after block `layer`, pair by pair in their order; the blocks above do not run.

    Raises:
        ProfileError: the model has no such block.
    """
    with residual_reader(model, layer) as read:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            batch = collate(part, pad_id).to(model.device)
            x_BxTxD = read(batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT).float()
            sides = [x[mask] for x, mask in zip(x_BxTxD, batch.response_mask_BxT, strict=True)]
            for number, row in enumerate(part):
                yield Responses(sides[number], sides[len(part) + number], shared_prefix(row))


def shared_prefix(row: PairTokens) -> int:
    """Leading token ids that a pair's responses have in common."""
    pairs = enumerate(zip(row.chosen, row.rejected, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(row.chosen), len(row.rejected)))


def edit_size(
    model: PreTrainedModel, layer: int, change: Callable[[Tensor], Tensor], rows: FitRows
) -> dict[str, float]:
    """How large an edit is at the response positions of the held-back pairs, for the record.

    Returns:
        `resid_rms` and `edit_rms`: root mean square lengths of x and of the edit; `unedited_share`: positions
        at which it is 0; `constant_share`: the share of its squared length that one constant vector, its
        mean, explains (1 for a static vector; 0 where there is no edit).
    """
    squares = {"resid": 0.0, "edit": 0.0}
    total_D, positions, unedited = torch.zeros(()), 0, 0
    for pair in responses(model, layer, rows.held_back, pad_id=rows.pad_id, batch_size=rows.batch_size):
        for x_NxD in (pair.chosen_WxD, pair.rejected_LxD):
            delta_NxD = change(x_NxD).expand(x_NxD.shape).double().cpu()
            squares["resid"] += float(x_NxD.double().pow(2).sum())
            squares["edit"] += float(delta_NxD.pow(2).sum())
            total_D = total_D + delta_NxD.sum(0)
            positions += len(x_NxD)
            unedited += int((delta_NxD == 0).all(-1).sum())
    found = {f"{name}_rms": math.sqrt(square / positions) for name, square in squares.items()}
    constant = float(total_D.pow(2).sum()) / positions
    found["constant_share"] = constant / squares["edit"] if squares["edit"] else 0.0
    return found | {"unedited_share": unedited / positions}
