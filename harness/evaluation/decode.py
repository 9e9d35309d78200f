"""Greedy decoding of many prompts at once: rows that have ended leave, keys and values stay in place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.evaluation.attention import blocked
from harness.training.loss import unembedded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFILL_TOKENS = 4096
"""Prompts go through the model so many tokens at a time, padding counted; bounds the square of the scores."""
ROOM = 32
"""Columns that are added to a cache that is full."""
LOOK = 8
"""Steps between two looks for a stop string."""


class Generated(NamedTuple):
    """One answer.

    Attributes:
        tokens: what was generated, the end token with it.
        gap: the smallest distance at any step between the best and the second best logit; NaN where a logit
            is not finite.
    """

    tokens: list[int]
    gap: float


class Ends(NamedTuple):
    """Where an answer ends.

    Attributes:
        eos: ids that end it.
        most_new: bound on its tokens.
        first_stop: of an answer's tokens, and how many of them were looked through before: how many there are
            when the first stop string is complete; None where none is.
    """

    eos: tuple[int, ...]
    most_new: int
    first_stop: Callable[[list[int], int], int | None]


class Columns:
    """Keys and values of B rows, right-aligned in columns with room for more; a cache for transformers.

    Args:
        width: columns that the longest prompt takes.
        windows: of each block, how many places back its attention sees; None where it sees all.
    """

    def __init__(self, rows: int, width: int, windows: Sequence[int | None]) -> None:
        self.rows, self.end, self.capacity = rows, width, width + ROOM
        self.windows = list(windows)
        self._kept: list[tuple[Tensor, Tensor]] = []

    def fill(self, first: int, cache: DynamicCache) -> None:
        """Take over the rows of a chunk of prompts, which end at the last column."""
        for number, layer in enumerate(cache.layers):
            for kept, new_BxHxTxE in zip(
                self._of(number, layer.keys), (layer.keys, layer.values), strict=True
            ):
                count, width = new_BxHxTxE.shape[0], new_BxHxTxE.shape[2]
                kept[first : first + count, :, self.end - width : self.end] = new_BxHxTxE

    def _of(self, number: int, like_BxHxTxE: Tensor) -> tuple[Tensor, Tensor]:
        if number == len(self._kept):
            shape = (self.rows, like_BxHxTxE.shape[1], self.capacity, like_BxHxTxE.shape[3])
            self._kept.append((like_BxHxTxE.new_zeros(shape), like_BxHxTxE.new_zeros(shape)))
        return self._kept[number]

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write one column; the columns that the block sees, without a copy."""
        window = self.windows[layer_idx]
        start = 0 if window is None else max(0, self.end + 1 - window)
        for kept, new_BxHx1xE in zip(self._kept[layer_idx], (keys, values), strict=True):
            kept[:, :, self.end] = new_BxHx1xE[:, :, 0]
        seen_keys, seen_values = (kept[:, :, start : self.end + 1] for kept in self._kept[layer_idx])
        return seen_keys, seen_values

    def get_seq_length(self, _layer: int = 0) -> int:
        """Columns that are filled."""
        return self.end

    def advance(self) -> None:
        """All blocks have written a column."""
        self.end += 1
        if self.end == self.capacity:
            self.capacity += ROOM
            self._kept = [(_wider(keys), _wider(values)) for keys, values in self._kept]

    def keep(self, rows: Tensor) -> None:
        """Let all other rows go."""
        self.rows = len(rows)
        self._kept = [(keys[rows], values[rows]) for keys, values in self._kept]


def _wider(kept: Tensor) -> Tensor:
    return torch.nn.functional.pad(kept, (0, 0, 0, ROOM))


def windows(model: PreTrainedModel) -> list[int | None]:
    """How many places back each block sees; None where it sees all."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    return [config.sliding_window if kind == "sliding_attention" else None for kind in kinds]


@torch.no_grad()
def greedy(
    model: PreTrainedModel,
    ids_BxT: Tensor,
    mask_BxT: Tensor,
    ends: Ends,
    entering: Callable[[list[str]], None],
    prompts: list[str],
) -> list[Generated]:
    """The greedy answer to each prompt.

    Args:
        ids_BxT, mask_BxT: prompts padded on the left, the longest first.
        entering: called with the prompts of each chunk before it goes in.
        prompts: their texts.
    """
    columns = Columns(len(ids_BxT), ids_BxT.shape[1], windows(model))
    with blocked(model):
        hidden_BxD = torch.cat([*_prefill(model, ids_BxT, mask_BxT, columns, entering, prompts)])
        running = _Running(model, columns, mask_BxT.sum(dim=1), ends)
        running.take(hidden_BxD)
        while running.lines:
            running.step()
    return running.found()


def _prefill(
    model: PreTrainedModel,
    ids_BxT: Tensor,
    mask_BxT: Tensor,
    columns: Columns,
    entering: Callable[[list[str]], None],
    prompts: list[str],
) -> Iterator[Tensor]:
    """The prompts chunk by chunk, through the model: (b, D) final states of their ends."""
    lengths_B, start = mask_BxT.sum(dim=1), 0
    while start < len(ids_BxT):
        width = int(lengths_B[start:].max())
        stop = min(len(ids_BxT), start + max(1, PREFILL_TOKENS // width))
        mask_bxT = mask_BxT[start:stop, -width:]
        cache = DynamicCache()  # without a config every block keeps all positions, sliding ones too
        entering(prompts[start:stop])
        hidden_bxTxD = model.get_decoder()(
            input_ids=ids_BxT[start:stop, -width:],
            attention_mask=mask_bxT,
            position_ids=(mask_bxT.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        columns.fill(start, cache)
        yield hidden_bxTxD[:, -1]
        start = stop


class _Running:
    """The rows that have not ended, and what all rows have generated so far."""

    def __init__(self, model: PreTrainedModel, columns: Columns, lengths_B: Tensor, ends: Ends) -> None:
        self.model, self.columns, self.ends = model, columns, ends
        self.lines = list(range(len(lengths_B)))
        self._tokens: list[list[int]] = [[] for _ in self.lines]
        self._gaps = [float("inf")] * len(self.lines)
        self._ended = [False] * len(self.lines)
        self._starts_R = columns.end - lengths_B
        self._steps = self._looked = 0

    def found(self) -> list[Generated]:
        """All answers, in the order of the prompts."""
        return [Generated(*one) for one in zip(self._tokens, self._gaps, strict=True)]

    def take(self, hidden_RxD: Tensor) -> None:
        """Choose the next token of each row from its last final state, and let rows that have ended leave."""
        best_Rx2, next_Rx2 = unembedded(self.model, hidden_RxD).float().topk(2, dim=-1)
        self._next = next_Rx2[:, :1]
        gaps = (best_Rx2[:, 0] - best_Rx2[:, 1]).tolist()
        for line, token, best, gap in zip(
            self.lines, next_Rx2[:, 0].tolist(), best_Rx2[:, 0].tolist(), gaps, strict=True
        ):
            if not self._ended[line]:
                self._tokens[line].append(token)
                self._gaps[line] = min(self._gaps[line], gap) if math.isfinite(best) else math.nan
                self._ended[line] = token in self.ends.eos or not math.isfinite(best)
        self._steps += 1
        last = self._steps == self.ends.most_new
        if last or self._steps - self._looked == LOOK:
            self._cut(self.lines)
            self._looked = self._steps
        self._leave(last)

    def _cut(self, lines: list[int]) -> None:
        for line in lines:
            count = self.ends.first_stop(self._tokens[line], self._looked)
            if count is not None:
                del self._tokens[line][count:]
                self._ended[line] = True

    def _leave(self, last: bool) -> None:
        """Rows that have ended leave once they are a quarter of those that are carried along."""
        staying = [place for place, line in enumerate(self.lines) if not (last or self._ended[line])]
        if (len(self.lines) - len(staying)) * 4 < len(self.lines):
            return
        self._cut([line for line in self.lines if self._ended[line]])
        self.lines = [self.lines[place] for place in staying]
        if self.lines:
            rows_R = torch.tensor(staying, device=self._next.device)
            self.columns.keep(rows_R)
            self._next, self._starts_R = self._next[rows_R], self._starts_R[rows_R]

    def step(self) -> None:
        """One forward pass: the chosen tokens in, the next ones chosen."""
        end = self.columns.end
        places = torch.arange(end + 1, device=self._starts_R.device)
        mask_RxT = torch.zeros(len(self.lines), end + 1, dtype=self.model.dtype, device=places.device)
        mask_RxT.masked_fill_(places < self._starts_R[:, None], torch.finfo(self.model.dtype).min)
        full = mask_RxT[:, None, None]
        window = next((one for one in self.columns.windows if one is not None), None)
        kinds = {"full_attention": full, "sliding_attention": full[..., -(window or end + 1) :]}
        hidden_Rx1xD = self.model.get_decoder()(
            input_ids=self._next,
            attention_mask=kinds if window is not None else full,
            position_ids=(end - self._starts_R)[:, None],
            past_key_values=self.columns,
            use_cache=True,
        ).last_hidden_state
        self.columns.advance()
        self.take(hidden_Rx1xD[:, 0])
