"""A trained arm's files: its tensors as safetensors, and a card that says what they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from harness.core.artefact import digest_file, write_json
from harness.core.documents import Strict, read_model
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, CARD = "arm.safetensors", "arm.json"
AGAIN = "run `train` again for this arm"


class Card(Strict):
    """What arm.json says.

    Attributes:
        belongs_to: what must be as it was when the arm is loaded again: digests, options, block.
        shapes, dtypes: of the tensors, by name.
        weights_sha256: of arm.safetensors.
    """

    schema_version: Literal[1] = 1
    belongs_to: dict[str, Any]
    shapes: dict[str, list[int]]
    dtypes: dict[str, str]
    weights_sha256: str


def write(folder: Path, tensors: Mapping[str, Tensor], belongs_to: dict[str, Any]) -> None:
    """Write weights, then card, into an empty folder."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    card = Card(
        belongs_to=belongs_to,
        shapes={name: list(tensor.shape) for name, tensor in kept.items()},
        dtypes={name: str(tensor.dtype).removeprefix("torch.") for name, tensor in kept.items()},
        weights_sha256=digest_file(folder / WEIGHTS),
    )
    write_json(folder / CARD, card.model_dump(mode="json"))


def read(folder: Path, into: Mapping[str, Tensor], belongs_to: dict[str, Any]) -> None:
    """Copy what was saved into the tensors of a fresh arm, which must be of the same kind.

    Raises:
        MissingInputError: a file is missing.
        DamagedFileError: a file that cannot be read; tensors of other names, shapes or dtypes, or not finite.
        ProfileError: the files are of another base model, SAE, block or of other options.
    """
    card = read_model(folder / CARD, Card, what="the arm's description", remedy=AGAIN)
    _check_belongs(card, belongs_to, folder / CARD)
    tensors = _tensors(folder / WEIGHTS, card)
    for name in sorted(into.keys() | tensors.keys()):
        wanted, found = into.get(name), tensors.get(name)
        if wanted is None or found is None or wanted.shape != found.shape or wanted.dtype != found.dtype:
            raise _damaged(f"the tensors are not this arm's ({name})", folder / WEIGHTS)
        if not bool(torch.isfinite(found).all()):
            raise _damaged(f"{name} holds NaN or infinity", folder / WEIGHTS)
    for name, tensor in tensors.items():
        into[name].data.copy_(tensor)


def _check_belongs(card: Card, now: dict[str, Any], path: Path) -> None:
    for name in sorted(card.belongs_to.keys() | now.keys()):
        if card.belongs_to.get(name) != now.get(name):
            raise ProfileError(
                f"the arm was trained with another {name} than this run has",
                value=f"{path}: {card.belongs_to.get(name)}; this run: {now.get(name)}",
                remedy="train the arm again, or give the run folder that belongs to this profile",
            )


def _tensors(path: Path, card: Card) -> dict[str, Tensor]:
    if not path.is_file():
        raise MissingInputError("the arm's weights are missing", value=path, remedy=AGAIN)
    if digest_file(path) != card.weights_sha256:
        raise _damaged(f"the weights do not match the digest in {CARD}", path)
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise _damaged(f"the weights cannot be read ({error})", path) from error


def _damaged(cause: str, path: Path) -> DamagedFileError:
    return DamagedFileError(cause, value=path, remedy=AGAIN)
