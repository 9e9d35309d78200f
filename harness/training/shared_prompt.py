"""Pairs as rows with the prompt once: both responses see it, but not each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from harness.core.errors import ProfileError
from harness.training.loss import chunk_rows, label_logprobs_of
from harness.training.pairs import PairTokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CAPACITY = 4096
"""Positions of a row; a longer pair has a row of its own. Bounds the square of the attention scores."""
BACKENDS = ("eager", "sdpa")
"""Attention implementations of transformers that take an additive mask of any shape."""
PADDING = -1
One = TypeVar("One")


class SharedBatch(NamedTuple):
    """B pairs in R rows of prompt, chosen, rejected, next pair ..., padded on the right.

    Attributes:
        input_ids_BxT: (R, T) int64.
        attention_mask_BxT: int64, how often a position counts: a prompt's 2, a response's 1, padding's 0.
        response_mask_BxT: bool, True on the tokens of a response.
        position_ids_BxT: int64, places in the conversation; both responses go on where the prompt ends.
        pair_BxT: int64, the pair that a position belongs to; -1 on padding.
        sequence_BxT: int64, of a response: the pair's number for the chosen, + B for the rejected; else -1.
        before_BxT: int64, of a response's token: the column of the position that predicts it.
    """

    input_ids_BxT: Tensor
    attention_mask_BxT: Tensor
    response_mask_BxT: Tensor
    position_ids_BxT: Tensor
    pair_BxT: Tensor
    sequence_BxT: Tensor
    before_BxT: Tensor

    def to(self, device: torch.device) -> SharedBatch:
        """The same batch on a device."""
        return SharedBatch(*(tensor.to(device) for tensor in self))


def collate_shared(rows: Sequence[PairTokens], pad_id: int, capacity: int = CAPACITY) -> SharedBatch:
    """Lay B pairs out, as many to a row, in their order, as fit."""
    sizes = [sum(map(len, row)) for row in rows]
    placed = list(batches_of(range(len(rows)), sizes.__getitem__, capacity))
    width = max(sum(sizes[index] for index in indices) for indices in placed)
    fillers = (pad_id, 0, 0, 0, PADDING, PADDING, 0)
    fields = [torch.full((len(placed), width), filler) for filler in fillers]
    fields[2] = fields[2].bool()
    for line, indices in enumerate(placed):
        start = 0
        for index in indices:
            start = _lay(fields, line, start, rows[index], index, len(rows))
    return SharedBatch(*fields)


def batches_of(items: Iterable[One], size: Callable[[One], int], most: int) -> Iterator[list[One]]:
    """Items in their order, as many together as have at most `most` in all; a larger one is alone."""
    batch: list[One] = []
    used = 0
    for one in items:
        if batch and used + size(one) > most:
            yield batch
            batch, used = [], 0
        batch.append(one)
        used += size(one)
    if batch:
        yield batch


def _lay(fields: list[Tensor], line: int, start: int, row: PairTokens, index: int, pairs: int) -> int:
    """Write one pair into a row from column `start`; the column after it."""
    ids, counts, answered, places, pair, sequence, before = fields
    prompt = len(row.prompt)
    column = start
    for number, tokens in enumerate(row):
        part = slice(column, column + len(tokens))
        ids[line, part] = torch.tensor(tokens)
        counts[line, part] = 2 if number == 0 else 1
        first = 0 if number == 0 else prompt
        places[line, part] = torch.arange(first, first + len(tokens))
        pair[line, part] = index
        if number > 0:
            answered[line, part] = True
            sequence[line, part] = index + (number - 1) * pairs
            before[line, part] = torch.arange(column - 1, column - 1 + len(tokens))
            before[line, column] = start + prompt - 1
        column += len(tokens)
    return column


def attention(batch: SharedBatch, window: int | None = None) -> Tensor:
    """Who sees whom: (R, 1, T, T) bool, causal within a pair; a response sees its prompt and itself.

    Args:
        window: of sliding attention: only positions less than so many places back.
    """
    places, pair, sequence = batch.position_ids_BxT, batch.pair_BxT, batch.sequence_BxT
    back = places.unsqueeze(-1) - places.unsqueeze(-2)
    of_prompt = (sequence == PADDING).unsqueeze(-2)
    same = (sequence.unsqueeze(-1) == sequence.unsqueeze(-2)) | of_prompt
    seen = (pair.unsqueeze(-1) == pair.unsqueeze(-2)) & same & (back >= 0)
    if window is not None:
        seen &= back < window
    return seen.unsqueeze(1)


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores: 0 where a position is seen, the dtype's least where it is not."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(
        ~seen, torch.finfo(dtype).min
    )


def masks(model: PreTrainedModel, seen: Callable[[int | None], Tensor]) -> Tensor | dict[str, Tensor]:
    """Additive masks as the model's blocks take them: one, or one for each kind of block.

    Args:
        seen: who sees whom, bool, given the window of sliding attention or None.
    """
    config = model.config.get_text_config()
    full = additive(seen(None), model.dtype)
    kinds = set(getattr(config, "layer_types", None) or ())
    if "sliding_attention" not in kinds:
        return full
    return {"full_attention": full, "sliding_attention": additive(seen(config.sliding_window), model.dtype)}


def shared_logprobs(model: PreTrainedModel, batch: SharedBatch, *, chunk: int = 0) -> Tensor:
    """Mean log-probability of each response's tokens, the chosen first: (2B,) float32.

    The same numbers as `response_logprobs` up to rounding, without a second pass over prompts and with no
    padding between the pairs of a row.

    Raises:
        ProfileError: the attention implementation takes no mask of this shape.
    """
    hidden_BxTxD = model.get_decoder()(use_cache=False, **decoder_inputs(model, batch)).last_hidden_state
    lines, columns = batch.response_mask_BxT.nonzero(as_tuple=True)
    hidden_NxD = hidden_BxTxD[lines, batch.before_BxT[lines, columns]]
    labels_N, owner_N = batch.input_ids_BxT[lines, columns], batch.sequence_BxT[lines, columns]
    logprobs_N = label_logprobs_of(model, hidden_NxD, labels_N, chunk or chunk_rows(model))
    members_SxN = owner_N == torch.arange(2 * (int(batch.pair_BxT.max()) + 1), device=owner_N.device)[:, None]
    sums_S: Tensor = (logprobs_N * members_SxN).sum(-1)
    return sums_S / members_SxN.sum(-1)


def decoder_inputs(model: PreTrainedModel, batch: SharedBatch) -> dict[str, Any]:
    """What the decoder is called with for a batch.

    Raises:
        ProfileError: the attention implementation takes no mask of this shape.
    """
    check_backend(model)
    return {
        "input_ids": batch.input_ids_BxT,
        "attention_mask": masks(model, lambda window: attention(batch, window)),
        "position_ids": batch.position_ids_BxT,
    }


def check_backend(model: PreTrainedModel, setting: str = "training.share_prompt") -> None:
    """Refuse an attention implementation that cannot take the mask.

    Args:
        setting: of the profile that asks for sharing.

    Raises:
        ProfileError: it is not one of `BACKENDS`.
    """
    backend = model.config._attn_implementation
    if backend not in BACKENDS:
        raise ProfileError(
            f"{setting} = true needs an attention implementation that takes a mask of any shape",
            value=f"model.attention = {backend}",
            remedy=f"set model.attention to one of {', '.join(BACKENDS)}, or {setting} to false",
        )
