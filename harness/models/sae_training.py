"""Trains an SAE with sae-lens on the residual stream of a Hugging Face model and measures its quality."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from harness.core.artefact import write_json
from harness.core.documents import read_json
from harness.core.errors import DataError
from harness.models.residual import hook_name, residual_reader

with warnings.catch_warnings():  # sae-lens imports a module that TransformerLens deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from sae_lens import SAE
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer


@dataclass(frozen=True)
class SaeRecipe:
    """Settings of a BatchTopK SAE, which sae-lens saves as a JumpReLU SAE with one shared threshold.

    Attributes:
        d_sae: features in the dictionary.
        k: features active per token, on average over a batch.
        lr: Adam's learning rate, decayed linearly to a tenth over the last fifth of the steps.
        samples: activation vectors seen in training; the given ones are passed over again in new orders.
        batch: activation vectors per step.
        dead_after: steps without firing after which the auxiliary loss revives a feature.
        seed: of the initial weights and of the order.
    """

    d_sae: int
    k: float
    lr: float = 1e-3
    samples: int = 2_000_000
    batch: int = 2048
    dead_after: int = 100
    seed: int = 0


@dataclass(frozen=True)
class SaeQuality:
    """How well an SAE reconstructs activations.

    Attributes:
        explained_variance: 1 - (squared error / squared distance from the mean), summed over tokens and
            dimensions.
        mean_l0: active features per token.
        dead_fraction: share of the features that are active on none of the tokens.
        tokens: activation vectors measured.
    """

    explained_variance: float
    mean_l0: float
    dead_fraction: float
    tokens: int


def collect_activations(
    model: PreTrainedModel, batches: Sequence[tuple[Tensor, Tensor]], layer: int
) -> Tensor:
    """The residual stream after a block at the kept positions.

    Args:
        model: a decoder-only model.
        batches: pairs of ids_BxL and a boolean keep_BxL; padding must be on the right and not kept.
        layer: index of the block, from 0.

    Returns:
        activations_NxD in float32 on the CPU, in the order of the batches.
    """
    with residual_reader(model, layer) as read:
        bar = tqdm(batches, desc="collecting activations", mininterval=2, disable=None)
        return torch.cat([read(ids)[keep].float().cpu() for ids, keep in bar])


def load_sae(folder: Path) -> SAE[Any]:
    """The SAE that sae-lens saved in a folder, in float32 on the CPU."""
    return SAE.load_from_disk(folder, dtype="float32")


def _orders(activations: Tensor, batch: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(activations), generator=generator)
        for start in range(0, len(order) - batch + 1, batch):
            yield activations[order[start : start + batch]]


def train_sae(
    train_NxD: Tensor, held_out_MxD: Tensor, recipe: SaeRecipe, out: Path, *, layer: int, model_name: str
) -> tuple[SAE[Any], SaeQuality]:
    """Train an SAE with sae-lens, save it under `out` in sae-lens' inference format, and measure it.

    Args:
        train_NxD: activations of block `layer`.
        held_out_MxD: those on which the quality is measured.
        model_name: for the SAE's metadata.

    Returns:
        what loading the saved SAE gives, and its quality.

    Raises:
        DataError: fewer activations than one batch.
    """
    if len(train_NxD) < recipe.batch:
        raise DataError(
            "too few activations for one batch of the SAE", value=len(train_NxD), remedy="give more text"
        )
    torch.manual_seed(recipe.seed)
    config = BatchTopKTrainingSAEConfig(
        d_in=train_NxD.shape[1],
        d_sae=recipe.d_sae,
        k=recipe.k,
        normalize_activations="expected_average_only_in",
    )
    config.metadata.hook_name = hook_name(layer)
    config.metadata.model_name = model_name
    config.metadata.training_recipe = asdict(recipe)
    steps = recipe.samples // recipe.batch
    trainer = SAETrainer(
        SAETrainerConfig(
            total_training_samples=steps * recipe.batch,
            train_batch_size_samples=recipe.batch,
            lr=recipe.lr,
            lr_end=recipe.lr / 10,
            lr_warm_up_steps=min(100, steps // 10),
            lr_decay_steps=steps // 5,
            n_batches_for_norm_estimate=min(100, len(train_NxD) // recipe.batch),
            dead_feature_window=recipe.dead_after,
            feature_sampling_window=max(1, steps // 4),
        ),
        BatchTopKTrainingSAE(config),
        _orders(train_NxD, recipe.batch, recipe.seed),
    )
    trainer.fit().save_inference_model(out)
    # sae-lens writes its settings in the order of a set, which changes from process to process.
    write_json(out / "cfg.json", read_json(out / "cfg.json", made_by="sae-lens"))
    sae = load_sae(out)
    return sae, measure_sae(sae, held_out_MxD)


@torch.no_grad()
def measure_sae(sae: SAE[Any], activations: Tensor, batch: int = 8192) -> SaeQuality:
    """The SAE's quality on activations_NxD."""
    mean = activations.mean(dim=0)
    error, spread, active = 0.0, 0.0, torch.zeros(sae.cfg.d_sae)
    for rows in torch.split(activations, batch):
        features = sae.encode(rows)
        error += float((sae.decode(features) - rows).pow(2).sum())
        spread += float((rows - mean).pow(2).sum())
        active += (features > 0).sum(dim=0)
    n = len(activations)
    return SaeQuality(
        round(1 - error / spread, 6),
        round(float(active.sum()) / n, 4),
        round(float((active == 0).float().mean()), 6),
        n,
    )
