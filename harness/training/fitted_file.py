"""The files of a fitted arm: its tensors as safetensors, and a card that says what they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.core.artefact import write_json
from harness.core.documents import Strict, read_model
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, CARD = "fitted.safetensors", "fitted.json"
AGAIN = "run `train` again for this arm"


class Setting(NamedTuple):
    """An edit but for its strength.

    Attributes:
        options: what sets it apart from the arm's other settings, for the table of the search.
        layer: block whose output it edits.
        tensors: what the edit reads and the arm saves.
        facts: what was found on the pairs, for the record.
    """

    options: dict[str, Any]
    layer: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Owner(NamedTuple):
    """What the files belong to.

    Attributes:
        model_sha256, sae_sha256: of the base and of the SAE; the SAE's is empty for an arm that uses none.
        options: the arm's own, as in the profile.
    """

    model_sha256: str
    sae_sha256: str
    options: dict[str, Any]


class Card(Strict):
    """What the tensors are.

    Attributes:
        model_sha256, sae_sha256, options: as for `Owner`.
        setting, layer, strength: what the search chose.
        shapes: of the tensors, by name.
    """

    schema_version: int = 1
    model_sha256: str
    sae_sha256: str
    options: dict[str, Any]
    setting: dict[str, Any]
    layer: int
    strength: float
    shapes: dict[str, list[int]]


def write(folder: Path, owner: Owner, setting: Setting, strength: float) -> None:
    """Write both files into an empty folder."""
    from safetensors.torch import save_file

    card = Card(
        **owner._asdict(),
        setting=setting.options,
        layer=setting.layer,
        strength=strength,
        shapes=_shapes(setting.tensors),
    )
    save_file({name: one.contiguous().cpu() for name, one in setting.tensors.items()}, folder / WEIGHTS)
    write_json(folder / CARD, card.model_dump(mode="json"))


def read(folder: Path, owner: Owner) -> tuple[Setting, float]:
    """The edit that was saved, and its strength.

    Raises:
        MissingInputError: a file is missing.
        DamagedFileError: a file cannot be read, or the tensors are not those of the card.
        ProfileError: the card is of another base model, SAE or other options.
    """
    card = read_model(folder / CARD, Card, what="a fitted arm's card", remedy=AGAIN)
    for name, now in owner._asdict().items():
        if getattr(card, name) != now:
            raise ProfileError(f"the arm was fitted with another {name}", value=folder, remedy=AGAIN)
    tensors = _tensors(folder / WEIGHTS)
    if _shapes(tensors) != card.shapes or not all(bool(one.isfinite().all()) for one in tensors.values()):
        raise DamagedFileError("the tensors are not those of the card", value=folder / WEIGHTS, remedy=AGAIN)
    return Setting(card.setting, card.layer, tensors, {}), card.strength


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingInputError("a fitted arm's tensors are missing", value=path, remedy=AGAIN)
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"the tensors cannot be read ({error})", value=path, remedy=AGAIN) from error
