"""An arm's files, written, read into a fresh base model and compared with what was in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from harness.core.folders import FREE, writing
from harness.models.base_model import load_model
from harness.training import movement
from harness.training.exchange import Exchange
from harness.training.ordered import ordered_arm
from harness.training.pairs import PairTokens, collate

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.arm import Arm
    from harness.core.results import WeightsMoved
    from harness.profiles.profile import Profile
    from harness.training.exchange import TrainSpec


def save(
    spec: TrainSpec,
    profile: Profile,
    arm: Arm,
    model: PreTrainedModel,
    start: dict[str, Tensor],
    rows: Sequence[PairTokens],
) -> WeightsMoved:
    """Save the arm, load it into a fresh base model, and check that it equals the trained arm, not the start.

    Raises:
        RunFolderError: the weights cannot be written.
        TrainingError: the reloaded arm differs from the trained one, or no saved weight moved.
    """
    model.eval()
    with empty_folder(spec) as folder:
        arm.save(model, folder)
    fresh = reloaded(spec, profile, model, rows[0])
    moved = movement.weights_moved(start, dict(fresh.named_parameters()))
    movement.check_moved(moved, 1 / moved.entries)
    return moved


@contextmanager
def empty_folder(spec: TrainSpec) -> Iterator[Path]:
    """The folder of the arm's files, made for the block.

    Raises:
        RunFolderError: it cannot be written.
    """
    folder = Exchange(Path(spec.folder)).weights
    with writing("the weights cannot be written", folder, FREE, SafetensorError):
        folder.mkdir()
        yield folder


def reloaded(spec: TrainSpec, profile: Profile, model: PreTrainedModel, row: PairTokens) -> PreTrainedModel:
    """A fresh base model with the saved arm, which gives the logits of the model in memory bit for bit.

    Raises:
        TrainingError: it does not.
    """
    fresh = load_model(Path(spec.model_dir), profile.model, model.device)
    ordered_arm(spec, profile).load(fresh, Exchange(Path(spec.folder)).weights)
    movement.check_reload(model, fresh, collate([row], 0).input_ids_BxT.to(model.device))
    return fresh
