"""A trained adapter on disk: adapter.safetensors and adapter.json, with the digests of what it belongs to."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fsrl.adapter import Adapter
from fsrl.mask import FeatureMask
from harness.arm import Scene
from harness.core.artefact import digest_file, write_json
from harness.core.documents import Strict, read_model
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.core.folders import FREE, writing
from harness.models.residual import hook_name

if TYPE_CHECKING:
    from fsrl.config import Config
    from fsrl.steer import Steering

SCHEMA_VERSION = 1
WEIGHTS, CARD, SILENCED = "adapter.safetensors", "adapter.json", "silenced"
MADE_BY = "the `train` stage"
AGAIN = f"delete the folder and run {MADE_BY} again"


class MaskCard(FeatureMask):
    """A feature mask as it was used: what the option says, the file's digest and the features silenced."""

    sha256: str
    silenced: int


class Card(Strict):
    """What adapter.json says.

    Attributes:
        schema_version: of this layout.
        d_in, d_sae: width of the residual stream, number of features.
        activation, bandwidth, top_fraction, fusion_relu: how v is computed and added.
        layer, hook_name: where.
        path: the steering path of training (`lean` or `full`).
        adapter_dtype, residual_dtype: v is computed in the first and added in the second.
        feature_mask: the file of ids, which way it counts, its sha256 and how many features never steer;
            left out where there is none.
        sae_digest, model_digest: what the adapter was trained on.
        weights_sha256: of adapter.safetensors.
        config: the arm's options.
    """

    schema_version: Literal[1]
    d_in: int
    d_sae: int
    activation: Literal["relu", "jump_relu", "soft_threshold"]
    bandwidth: float
    top_fraction: float
    fusion_relu: bool
    feature_mask: Annotated[MaskCard | None, Field(exclude_if=lambda value: value is None)] = None
    layer: int
    hook_name: str
    path: Literal["lean", "full"]
    adapter_dtype: str
    residual_dtype: str
    sae_digest: str
    model_digest: str
    weights_sha256: str
    config: dict[str, Any]

    @property
    def mask(self) -> FeatureMask | None:
        """The option that the feature mask came from."""
        found = self.feature_mask
        return None if found is None else FeatureMask(file=found.file, keep=found.keep)


def describe(steering: Steering, config: Config, scene: Scene, mask_sha256: str = "") -> dict[str, Any]:
    """The card without the digest of the weights."""
    adapter, layer, mask = steering.adapter, scene.sae.layer, config.feature_mask
    silenced = {"sha256": mask_sha256, "silenced": int(adapter.silenced.sum())}
    return {
        "schema_version": SCHEMA_VERSION,
        "d_in": adapter.weight.shape[1],
        "d_sae": adapter.d_sae,
        "activation": adapter.activation,
        "bandwidth": adapter.bandwidth,
        "top_fraction": adapter.top_fraction,
        "fusion_relu": steering.fusion_relu,
        "feature_mask": mask and mask.model_dump() | silenced,
        "layer": layer,
        "hook_name": hook_name(layer),
        "path": steering.path,
        "adapter_dtype": str(adapter.weight.dtype).removeprefix("torch."),
        "residual_dtype": str(steering.residual_dtype).removeprefix("torch."),
        "sae_digest": scene.sae_digest,
        "model_digest": scene.model_digest,
        "config": config.model_dump(mode="json"),
    }


def write(adapter: Adapter, folder: Path, card: dict[str, Any]) -> None:
    """Write weights, then card; a folder without a valid card is not an adapter.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.named_parameters()}
    if bool(adapter.silenced.any()):
        tensors[SILENCED] = adapter.silenced.cpu()
    part = folder / f".{WEIGHTS}.part"
    with writing("cannot write the adapter", folder, FREE, SafetensorError):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part, metadata={"format": "pt"})
            os.replace(part, folder / WEIGHTS)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
    full = Card.model_validate({**card, "weights_sha256": digest_file(folder / WEIGHTS)})
    write_json(folder / CARD, full.model_dump(mode="json"))


def read_card(folder: Path) -> Card:
    """Read adapter.json.

    Raises:
        MissingInputError: it is not there.
        DamagedFileError: it is not JSON or has another layout.
    """
    return read_model(
        folder / CARD, Card, what="the adapter's description", remedy=AGAIN, first=f"run {MADE_BY} first"
    )


def check_belongs(card: Card, config: Config, scene: Scene, folder: Path) -> None:
    """Refuse an adapter of another base model, another SAE, another block or another way of steering.

    Raises:
        ProfileError: naming the first thing that differs.
    """
    wanted = {
        "model_digest": scene.model_digest,
        "sae_digest": scene.sae_digest,
        "layer": scene.sae.layer,
        "activation": config.activation,
        "bandwidth": config.jump_relu.bandwidth if config.jump_relu else 0.0,
        "top_fraction": config.top_fraction,
        "fusion_relu": config.fusion_relu,
        "feature_mask": config.feature_mask,
    }
    for name, value in wanted.items():
        found = card.mask if name == "feature_mask" else getattr(card, name)
        if found != value:
            raise ProfileError(
                f"the adapter was trained with another {name} than this run has",
                value=f"{folder / CARD}: {found}; this run: {value}",
                remedy="train the arm again, or give the run folder that belongs to this profile",
            )


def read_weights(folder: Path, card: Card) -> dict[str, Tensor]:
    """Read adapter.safetensors and check it against its card.

    Raises:
        MissingInputError: it is not there.
        DamagedFileError: another digest, not safetensors, other names, shapes or dtypes, NaN.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise MissingInputError(
            "the adapter's weights are missing", value=path, remedy=f"run {MADE_BY} again"
        )
    if digest_file(path) != card.weights_sha256:
        raise _damaged("the adapter's weights do not match the digest in adapter.json", path)
    try:
        tensors: dict[str, Tensor] = dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise _damaged(f"the adapter's weights cannot be read ({error})", path) from error
    shapes = {"weight": (card.d_sae, card.d_in), "bias": (card.d_sae,)}
    if card.activation != "relu":
        shapes["log_threshold" if card.activation == "jump_relu" else "soft_threshold"] = (card.d_sae,)
    if card.feature_mask is not None:
        shapes[SILENCED] = (card.d_sae,)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise _damaged(f"the adapter's tensors are {found}, adapter.json says {shapes}", path)
    if tensors["weight"].dtype != getattr(torch, card.adapter_dtype, None):
        raise _damaged(
            f"the weights are {tensors['weight'].dtype}, adapter.json says {card.adapter_dtype}", path
        )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _damaged(f"{name} holds NaN or infinity", path)
    if card.feature_mask is not None and int(tensors[SILENCED].sum()) != card.feature_mask.silenced:
        raise _damaged("the mask does not silence as many features as adapter.json says", path)
    return tensors


def fill(adapter: Adapter, tensors: dict[str, Tensor], folder: Path) -> None:
    """Copy the tensors into a fresh adapter.

    Raises:
        DamagedFileError: the adapter, whose size is the SAE's, has other shapes.
    """
    for name, parameter in adapter.named_parameters():
        if parameter.shape != tensors[name].shape:
            raise _damaged(
                f"{name} has shape {tuple(tensors[name].shape)}, the SAE wants {tuple(parameter.shape)}",
                folder / WEIGHTS,
            )
        parameter.data.copy_(tensors[name])
    if SILENCED in tensors:
        adapter.silence(tensors[SILENCED].nonzero().flatten().tolist())


def _damaged(cause: str, path: Path) -> DamagedFileError:
    return DamagedFileError(cause, value=path, remedy=AGAIN)
