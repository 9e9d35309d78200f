"""The miniature's autoencoders: trained on the residual stream over generated documents."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.miniature.batches import Encoded, collate, encode, groups
from harness.miniature.corpus import Corpus
from harness.miniature.pretrain import PHASES
from harness.models.residual import hook_name
from harness.models.sae_training import SaeRecipe, collect_activations, train_sae

if TYPE_CHECKING:
    from sae_lens import SAE
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
    return collect_activations(model, batches, layer)


def corpus_sae(
    model: Any,
    tokenizer: Any,
    world: World,
    layer: int,
    recipe: SaeRecipe,
    out: Path,
    *,
    tokens: int,
    measured: int,
) -> tuple[SAE[Any], dict[str, Any]]:
    """Train the SAE of a block and save it under `out`; the SAE, and what is recorded of it.

    Args:
        tokens: of the text, at least.
        measured: activation vectors that training does not see and its quality is measured on.
    """
    rows_NxD = corpus_activations(model, tokenizer, world, layer, tokens)
    order_N = torch.randperm(len(rows_NxD), generator=torch.Generator().manual_seed(world.seed))
    held_out_MxD, train_KxD = rows_NxD[order_N[:measured]], rows_NxD[order_N[measured:]]
    sae, quality = train_sae(train_KxD, held_out_MxD, recipe, out, layer=layer, model_name="miniature")
    return sae, {
        "hook_name": hook_name(layer),
        "recipe": asdict(recipe),
        **asdict(quality),
        "trained_on_tokens": len(train_KxD),
    }
