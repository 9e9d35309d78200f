"""What the untouched base computes once for all trainings of a run folder: activations, references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import TrainingError
from harness.models.residual import blocks_to
from harness.training.activation_cache import MADE, ActivationCache, cache_key, check_budget, write
from harness.training.reference import reference_key, reference_logprobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.profiles.profile import Profile
    from harness.training.exchange import TrainSpec
    from harness.training.objective import Objective
    from harness.training.pairs import PairTokens


def activation_cache(
    spec: TrainSpec,
    profile: Profile,
    layer: int | None,
    model: PreTrainedModel,
    rows: Sequence[PairTokens],
    pad_id: int,
) -> ActivationCache | None:
    """The residual stream after block `layer` for every pair, written by the untouched model where it is not
    there yet; None without a budget, and for an arm that trains every block.

    Args:
        layer: the last block whose output the arm's training cannot change.

    Raises:
        ProfileError: the budget is too small, or attention takes no mask of any shape.
        DamagedFileError: a file of the cache has changed.
        RunFolderError: it cannot be written.
    """
    budget = profile.training.activation_cache_gib
    if not budget or layer is None:
        return None
    d_model = model.config.get_text_config().hidden_size
    check_budget(rows, d_model, model.dtype.itemsize, budget)
    key = cache_key(spec.model_digest, layer, rows, profile.model.dtype)
    folder = _home(spec) / "activations" / key[:16]
    if not (folder / MADE).is_file():
        write(model, layer, rows, folder, key, pad_id)
    return ActivationCache(folder, key, layer)


def reference(
    spec: TrainSpec,
    profile: Profile,
    objective: Objective,
    model: PreTrainedModel,
    rows: Sequence[PairTokens],
    pad_id: int,
) -> Tensor | None:
    """(P, 2) summed log-probabilities of the responses under the untouched base, see `reference_logprobs`;
    None for an objective that needs none.
    """
    if not objective.needs_reference:
        return None
    shared = profile.training.share_prompt
    key = reference_key(spec.model_digest, rows, profile.model.dtype, shared=shared)
    return reference_logprobs(model, rows, _home(spec) / "reference", key, pad_id, shared=shared)


def check_frozen(model: PreTrainedModel, layer: int | None) -> None:
    """Refuse an arm that trains something of the blocks that it declares frozen.

    Raises:
        TrainingError: a weight of the embedding or of a block up to `layer` requires a gradient.
    """
    if layer is None:
        return
    parts = {"embedding": model.get_input_embeddings()}
    parts |= {f"block {number}": block for number, block in enumerate(blocks_to(model, layer))}
    for place, part in parts.items():
        for name, parameter in part.named_parameters():
            if parameter.requires_grad:
                raise TrainingError(
                    f"the arm declares blocks up to {layer} frozen, and trains a weight of one",
                    value=f"{place}: {name}",
                    remedy="correct the arm's frozen_through() or prepare()",
                )


def _home(spec: TrainSpec) -> Path:
    return Path(spec.checkpoints).parent.parent
