"""How many units an adapter has on before it is trained, and the refusal of one that never can have any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.core.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from fsrl.steer import Steering

REMEDY = {
    "relu": "look for a residual stream of zeros, or one equal to the SAE's b_dec",
    "soft_threshold": "set soft_threshold = 0: on so small a residual stream weights within it stay shut",
    "jump_relu": "lower jump_relu.threshold or raise jump_relu.bandwidth",
}


@torch.no_grad()
def share_on(
    model: PreTrainedModel, steering: Steering, ids_BxT: Tensor, attention_mask_BxT: Tensor
) -> float:
    """Share of the units that may steer that are on (v is not 0, before any top-k), over real positions.

    Raises:
        TrainingError: no unit is on anywhere, nor within a JumpReLU's bandwidth of its threshold: none has a
            gradient, so none can ever open.
    """
    seen: list[Tensor] = []
    handle = steering.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        model.get_decoder()(input_ids=ids_BxT, attention_mask=attention_mask_BxT, use_cache=False)
    finally:
        handle.remove()
        steering.readings = None
    on, near, entries = steering.units_on(seen[0][attention_mask_BxT.bool()])
    if not on and not near:
        kind = steering.adapter.activation
        raise TrainingError(
            "the adapter starts with every unit shut, and a shut unit has no gradient: none can ever open",
            value=f"activation = {kind}, 0 of {entries} units on over the first pairs",
            remedy=REMEDY[kind],
        )
    return on / entries
