"""Preference pairs: read, rendered and tokenised as SimPO's official code does it, padded into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from harness.core.documents import Strict
from harness.core.errors import DataError
from harness.core.json_lines import rows
from harness.core.pair_tokens import PairTokens as PairTokens
from harness.core.results import Truncation


class Message(Strict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Pair(BaseModel):
    """A prompt and two answers to it, the first preferred.

    Attributes:
        prompt: the conversation so far; its last turn is the user's.
        chosen, rejected: exactly one assistant's turn each.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[list[Message], Field(min_length=1)]
    chosen: Annotated[list[Message], Field(min_length=1, max_length=1)]
    rejected: Annotated[list[Message], Field(min_length=1, max_length=1)]


class Cut(NamedTuple):
    """A tokenised pair as it came, and cut to the lengths of the profile."""

    whole: PairTokens
    kept: PairTokens


class TokenisedPairs(NamedTuple):
    """The tokenised rows of a split and what had to be cut."""

    rows: list[PairTokens]
    truncation: Truncation


class PairBatch(NamedTuple):
    """B pairs as 2B rows, the chosen first, then the rejected of the same pairs, padded on the right.

    Attributes:
        input_ids_BxT: int64.
        attention_mask_BxT: int64, 1 on real tokens.
        response_mask_BxT: bool, True on the tokens of the response.
    """

    input_ids_BxT: Tensor
    attention_mask_BxT: Tensor
    response_mask_BxT: Tensor

    def to(self, device: torch.device) -> PairBatch:
        """The same batch on a device."""
        return PairBatch(*(tensor.to(device) for tensor in self))


def read_pairs(path: Path, limit: int) -> list[Pair]:
    """Read and validate JSON lines with `prompt`, `chosen` and `rejected` as lists of messages.

    Args:
        limit: how many pairs are read, from the front; 0 means all.

    Raises:
        MissingInputError: the file is not there.
        DataError: a row is malformed, or there are fewer rows than asked for.
    """
    remedy = (
        "each line needs `prompt`, `chosen` and `rejected` as lists of messages (docs/data-root.md): correct "
        "or remove it; if there is no file, run `prepare` first"
    )
    found = rows(path, _pair, what="the preference pairs", remedy=remedy, refusal=DataError)
    pairs = list(islice(found, limit or None))
    if len(pairs) < max(limit, 1):
        raise DataError(
            f"the preference file has {len(pairs)} rows, {limit or 'at least one'} wanted",
            value=path,
            remedy="lower data.train_pairs or data.test_pairs in the profile, or give a longer file",
        )
    return pairs


def _pair(row: Any) -> Pair:
    pair = Pair.model_validate(row)
    if pair.prompt[-1].role != "user":
        raise ValueError("the prompt's last turn is not the user's")
    for name in ("chosen", "rejected"):
        if getattr(pair, name)[0].role != "assistant":
            raise ValueError(f"{name} is not an assistant's turn")
    return pair


def render_pair(pair: Pair, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str, str]:
    """Texts of prompt, chosen and rejected under SimPO's official template.

    The prompt is rendered without a generation prompt. A response is what the rendered conversation adds to
    it, so the header of the assistant's turn and its end belong to the response.

    Raises:
        DataError: the template refuses the conversation, or renders the prompt otherwise once an answer
            follows.
    """
    prompt = _render(pair.prompt, tokenizer)
    responses = []
    for answer in (pair.chosen, pair.rejected):
        whole = _render([*pair.prompt, *answer], tokenizer)
        if not whole.startswith(prompt):
            raise DataError(
                "the chat template renders the prompt differently once an answer follows",
                value=prompt[:200],
                remedy="use a chat template that only appends turns",
            )
        responses.append(whole[len(prompt) :])
    return prompt, responses[0], responses[1]


def _render(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> str:
    turns = [message.model_dump() for message in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False)
    except TemplateError as error:
        raise DataError(
            f"the chat template refuses the conversation ({error})",
            value=[turn["role"] for turn in turns],
            remedy="remove that row, or use roles that the template knows",
        ) from error
    return str(text)


def tokenise_pairs(
    pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, max_length: int, max_prompt_length: int
) -> TokenisedPairs:
    """Tokenise pairs as SimPO's official trainer does.

    Prompt and responses are tokenised apart, without special tokens beyond the template's; a response that
    does not end in the tokenizer's end-of-sequence token gets one, as in SimPO's trainer. If the prompt and
    the longer response exceed `max_length`, the prompt keeps its BOS and its end, `max_prompt_length` tokens
    in all (SimPO's drops the BOS). Responses that are still too long are cut to the room that the prompt
    leaves (SimPO's cuts to max_length - max_prompt_length, however short the prompt is).

    Raises:
        DataError: a prompt without exactly one BOS at its front, or a response without tokens.
    """
    cuts = []
    for number, pair in enumerate(pairs, 1):
        cuts.append(cut_pair(pair, tokenizer, max_length, max_prompt_length, number))
        if not cuts[-1].kept.chosen or not cuts[-1].kept.rejected:
            raise DataError(
                "max_length leaves no token of a response",
                value=f"pair {number}: prompt {len(cuts[-1].whole.prompt)}, max_length {max_length}",
                remedy="raise data.max_length or lower data.max_prompt_length",
            )
    return together(cuts)


def cut_pair(
    pair: Pair, tokenizer: PreTrainedTokenizerBase, max_length: int, max_prompt_length: int, number: int
) -> Cut:
    """Tokenise and cut one pair as `tokenise_pairs` does; a response may be left without a token.

    Args:
        number: of the pair, counted from 1, for the messages.

    Raises:
        DataError: a prompt without exactly one BOS at its front, or a template that refuses the pair.
    """
    row = _tokens(pair, tokenizer, number)
    return Cut(row, _truncated(row, tokenizer.bos_token_id, max_length, max_prompt_length))


def together(cuts: Sequence[Cut], left_out: Mapping[str, int] | None = None) -> TokenisedPairs:
    """The rows of a split, with counts of what was cut and of the rows that were left out, by reason."""
    truncation = Truncation(
        pairs=len(cuts),
        truncated_prompts=sum(len(kept.prompt) < len(whole.prompt) for whole, kept in cuts),
        truncated_responses=sum(
            (len(kept.chosen) < len(whole.chosen)) + (len(kept.rejected) < len(whole.rejected))
            for whole, kept in cuts
        ),
        left_out=dict(left_out or {}),
    )
    return TokenisedPairs([cut.kept for cut in cuts], truncation)


def _tokens(pair: Pair, tokenizer: PreTrainedTokenizerBase, number: int) -> PairTokens:
    prompt, chosen, rejected = (
        list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in render_pair(pair, tokenizer)
    )
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and (prompt[:1] != [bos] or prompt[1:2] == [bos]):
        raise DataError(
            "a tokenised prompt must begin with exactly one BOS",
            value=f"pair {number}: {prompt[:3]}, BOS is {bos}",
            remedy="use a chat template that writes the BOS token once",
        )
    for response in (chosen, rejected):
        if eos is not None and response[-1:] != [eos]:
            response.append(eos)
    return PairTokens(prompt, chosen, rejected)


def _truncated(row: PairTokens, bos: Any, max_length: int, max_prompt_length: int) -> PairTokens:
    prompt, longest = row.prompt, max(len(row.chosen), len(row.rejected))
    if len(prompt) + longest > max_length and len(prompt) > max_prompt_length:
        head = prompt[:1] if bos is not None else []
        kept = max_prompt_length - len(head)
        prompt = head + (prompt[-kept:] if kept > 0 else [])
    room = max(max_length - len(prompt), 0)
    return PairTokens(prompt, row.chosen[:room], row.rejected[:room])


def collate(rows: Sequence[PairTokens], pad_id: int) -> PairBatch:
    """Pad B pairs into 2B rows: the chosen of all pairs, then the rejected."""
    halves = [(row.prompt, row.chosen) for row in rows] + [(row.prompt, row.rejected) for row in rows]
    ids = [torch.tensor(prompt + response) for prompt, response in halves]
    answered = [torch.arange(len(prompt) + len(response)) >= len(prompt) for prompt, response in halves]
    return PairBatch(
        pad_sequence(ids, batch_first=True, padding_value=pad_id),
        pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        pad_sequence(answered, batch_first=True),
    )
