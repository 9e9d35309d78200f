"""What an arm says of itself before the first step: on the first pairs, and on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.training.pairs import collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.arm import Arm
    from harness.training.ordered import Rows


def first_facts(arm: Arm, model: PreTrainedModel, rows: Rows, pad_id: int, batch_size: int) -> dict[str, Any]:
    """The facts of `Arm.at_start` and `Arm.over_rows`, for an arm that has them.

    Raises:
        TrainingError: the arm cannot train from its start.
    """
    facts: dict[str, Any] = {}
    if hasattr(arm, "at_start"):
        batch = collate([rows.tokens[i] for i in rows.order[:2]], pad_id).to(model.device)
        facts |= arm.at_start(model, batch.input_ids_BxT, batch.attention_mask_BxT)
    if hasattr(arm, "over_rows"):
        facts |= arm.over_rows(model, rows.tokens, pad_id, batch_size)
    return facts
