"""Packed questions through the model: final hidden states, and from them lm-eval's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.evaluation.questions import Packed, Question, seen
from harness.training.loss import unembedded
from harness.training.shared_prompt import masks

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

Answer = tuple[float, bool]
"""Log-probability of a continuation, and whether it is what greedy decoding gives."""


def hidden_states(model: PreTrainedModel, packed: Packed, cache: DynamicCache | None) -> Tensor:
    """(B, T, D) final hidden states of packed rows; keys and values of their lead come from the cache."""
    hidden_BxTxD: Tensor = model.get_decoder()(
        input_ids=packed.ids_BxT,
        attention_mask=masks(model, lambda window: seen(packed, window)),
        position_ids=packed.position_BxT,
        past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state
    return hidden_BxTxD


def answers_of(
    model: PreTrainedModel, question: Question, line: int, packed: Packed, hidden_TxD: Tensor
) -> dict[int, Answer]:
    """The answers to a question's requests, by their number; a float32 softmax, as lm-eval's is set to.

    Each position is unembedded once, however many requests ask for it.
    """
    columns = {
        request.number: [
            packed.places[line, request.ids].column(request.first + step)
            for step in range(len(request.labels))
        ]
        for request in question.requests
    }
    place_of = {
        column: place for place, column in enumerate(sorted({c for of in columns.values() for c in of}))
    }
    logprobs_NxV = torch.log_softmax(
        unembedded(model, hidden_TxD[list(place_of)]), dim=-1, dtype=torch.float32
    )
    best_N, found = logprobs_NxV.argmax(dim=-1).tolist(), {}
    for request in question.requests:
        places, labels = [place_of[column] for column in columns[request.number]], list(request.labels)
        greedy = [best_N[place] for place in places] == labels
        found[request.number] = (float(logprobs_NxV[places, labels].sum()), greedy)
    return found
