"""What an arm says of itself before the first step, on the first pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.training.pairs import collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.arm import Arm
    from harness.training.pairs import PairTokens


def first_facts(arm: Arm, model: PreTrainedModel, first: Sequence[PairTokens], pad_id: int) -> dict[str, Any]:
    """The facts of `Arm.at_start`, for an arm that has it.

    Raises:
        TrainingError: the arm cannot train from its start.
    """
    at_start = getattr(arm, "at_start", None)
    if at_start is None:
        return {}
    batch = collate(first, pad_id).to(model.device)
    facts: dict[str, Any] = at_start(model, batch.input_ids_BxT, batch.attention_mask_BxT)
    return facts
