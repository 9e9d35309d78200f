"""Batches of whole documents of like length, each from position 0 with ``<bos>``, as at evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerFast

from harness.miniature.corpus import Corpus, Document

BUFFER = 2048


@dataclass(frozen=True)
class Encoded:
    """Token ids (length L) and the loss weight of predicting each token (length L; 0 for the first)."""

    ids: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Right-padded ids_BxL, weights_BxL; padding has weight 0 and comes last."""

    ids: Tensor
    weights: Tensor
    tokens: int


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[Document]) -> list[Encoded]:
    """Encode the segments of each document; segment borders are token borders."""
    texts = [segment.text for document in documents for segment in document.segments]
    ids = iter(tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"])
    encoded = []
    for document in documents:
        pieces = [(next(ids), segment.weight) for segment in document.segments]
        tokens = np.concatenate([np.asarray(piece, dtype=np.int64) for piece, _ in pieces])
        weights = np.concatenate([np.full(len(piece), weight, dtype=np.float32) for piece, weight in pieces])
        encoded.append(Encoded(tokens, weights))
    return encoded


def collate(documents: list[Encoded], pad_id: int) -> Batch:
    """Pad the documents on the right to the longest."""
    ids = [torch.from_numpy(document.ids) for document in documents]
    weights = [torch.from_numpy(document.weights) for document in documents]
    padded = pad_sequence(ids, batch_first=True, padding_value=pad_id)
    return Batch(padded, pad_sequence(weights, batch_first=True), sum(map(len, ids)))


def groups(documents: list[Encoded], tokens: int) -> list[list[Encoded]]:
    """Sort by length and cut into groups of at most ``tokens`` padded tokens."""
    found: list[list[Encoded]] = [[]]
    for document in sorted(documents, key=lambda d: len(d.ids)):
        if found[-1] and (len(found[-1]) + 1) * len(document.ids) > tokens:
            found.append([])
        found[-1].append(document)
    return found


def stream(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast, mixture: dict[str, float], tokens: int, total: int
) -> Iterator[Batch]:
    """Batches of about ``tokens`` padded tokens in random order until ``total`` tokens are reached."""
    seen = 0
    order = np.random.default_rng(corpus.rng.getrandbits(32))
    pad_id = int(tokenizer.convert_tokens_to_ids("<pad>"))
    while seen < total:
        batches = groups(encode(tokenizer, [corpus.draw(mixture) for _ in range(BUFFER)]), tokens)
        for index in order.permutation(len(batches)):
            batch = collate(batches[index], pad_id)
            yield batch
            seen += batch.tokens
            if seen >= total:
                return
