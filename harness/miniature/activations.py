"""Residual streams of generated documents, for the miniature's autoencoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.miniature.batches import Encoded, collate, encode, groups
from harness.miniature.corpus import Corpus
from harness.miniature.pretrain import PHASES
from harness.models.sae_training import collect_activations

if TYPE_CHECKING:
    from torch import Tensor

    from harness.miniature.world import World

DRAWN_AT_ONCE = 1000


def activation_batches(documents: list[Encoded], pad_id: int) -> list[tuple[Tensor, Tensor]]:
    """Pairs of ids_BxL and keep_BxL; padding and the first position of each document are not kept."""
    found = []
    for group in groups(documents, 4096):
        batch = collate(group, pad_id)
        keep = batch.ids != pad_id
        keep[:, 0] = False
        found.append((batch.ids, keep))
    return found


def corpus_activations(model: Any, tokenizer: Any, world: World, layer: int, tokens: int) -> Tensor:
    """activations_NxD after a block, on at least `tokens` tokens of documents as in the last phase of
    pre-training; the documents follow from the world's seed and are the same for every block."""
    corpus = Corpus(world, f"{world.seed}/sae")
    documents: list[Encoded] = []
    while sum(len(d.ids) for d in documents) < tokens:
        documents += encode(tokenizer, [corpus.draw(PHASES[-1].mixture) for _ in range(DRAWN_AT_ONCE)])
    batches = activation_batches(documents, tokenizer.pad_token_id)
    return collect_activations(model, batches, layer, total=len(batches))
