"""An SAE trained by sae-lens on text of the data root, where none is published for the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError
from harness.profiles.profile import Profile
from harness.profiles.sections import SaeTraining
from harness.sources.cache import Part, made_once, place

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = 20
SEQUENCES_AT_ONCE = 8
MASSIVE = 3.0


def trained_sae(
    profile: Profile, training: SaeTraining, model_dir: Path, model_digest: str, text: Path, text_sha: str
) -> Part:
    """The SAE of a profile, trained at the first call and cached by all that determines it.

    The first position of every sequence, and now and then a later one, is an attention sink: its norm is a
    hundred times that of the others, and a squared error would see nothing else. First positions and those
    above three times the median norm are left out of training and of the measured quality, and counted. In
    training activations are scaled to the norm that sae-lens expects; the scale is folded into the saved
    weights, so a steered x' = x + v W_dec needs none.

    Args:
        model_digest: over the files in `model_dir`.
        text: the text file; `text_sha` is its sha256.

    Raises:
        DataError: the text is shorter than the tokens asked for.
    """
    determined_by = {
        "model": [model_digest, profile.model.dtype, profile.model.attention],
        "text": text_sha,
        "layer": profile.sae.layer,
        "training": training.model_dump(mode="json"),
        "versions": [metadata.version("sae-lens"), metadata.version("torch")],
    }
    return made_once(
        place("saes", determined_by), lambda out: _train(profile, training, model_dir, text, out)
    )


def _train(profile: Profile, training: SaeTraining, model_dir: Path, text: Path, out: Path) -> dict[str, Any]:
    import torch

    from harness.models.base_model import load_model, load_tokenizer, pick_device
    from harness.models.residual import hook_name
    from harness.models.sae_training import SaeRecipe, collect_activations, train_sae

    started = time.monotonic()
    model = load_model(model_dir, profile.model, pick_device())
    ids_NxC = _sequences(load_tokenizer(model_dir), text.read_text(encoding="utf-8"), training)
    batches = list(_batches(ids_NxC))
    rows_NxD = collect_activations(model, batches, profile.sae.layer)
    norms_N = torch.linalg.vector_norm(rows_NxD, dim=1)
    usual_N = norms_N <= MASSIVE * norms_N.median()
    kept_MxD = rows_NxD[usual_N]
    held = len(kept_MxD) // HELD_OUT
    settings = training.model_dump(include={"d_sae", "k", "samples", "batch", "seed"})
    recipe = SaeRecipe(lr=training.learning_rate, **settings)
    layer, name = profile.sae.layer, profile.model.id
    _, quality = train_sae(kept_MxD[:-held], kept_MxD[-held:], recipe, out, layer=layer, model_name=name)
    return {
        "hook": hook_name(layer),
        "text_tokens": ids_NxC.numel(),
        "left_out": {"first_positions": len(ids_NxC), "massive_norms": int((~usual_N).sum())},
        "norm": {"median": float(norms_N.median()), "largest_kept": float(norms_N[usual_N].max())},
        "held_out": asdict(quality),
        "made_in_s": round(time.monotonic() - started, 1),
    }


def _sequences(tokenizer: Any, text: str, training: SaeTraining) -> Tensor:
    """The text's first tokens as ids_NxC, sequences of `context` tokens that follow each other."""
    import torch

    needed = training.tokens // training.context * training.context
    ids: list[int] = []
    for paragraph in text.splitlines(keepends=True):
        ids += tokenizer(paragraph, add_special_tokens=False)["input_ids"]
        if len(ids) >= needed:
            return torch.tensor(ids[:needed]).view(-1, training.context)
    raise DataError(
        f"the text has {len(ids)} tokens, the SAE is to be trained on {needed}",
        value=training.text,
        remedy="give more text, or lower sae.training.tokens",
    )


def _batches(ids_NxC: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    import torch

    for ids_BxC in torch.split(ids_NxC, SEQUENCES_AT_ONCE):
        keep_BxC = torch.ones_like(ids_BxC, dtype=torch.bool)
        keep_BxC[:, 0] = False
        yield ids_BxC, keep_BxC
