"""A frozen SAE from sae-lens' files; SAEs for which x' = x + v W_dec does not hold are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.core.documents import read_document
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.models.residual import hook_name

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")
AGAIN = "delete the folder and run the `prepare` stage again"
DECODER, ENCODER = ("W_dec", "b_dec"), ("W_enc", "b_enc", "threshold")
LINEAR = {
    "architecture": ("standard", "jumprelu"),
    "normalize_activations": ("none",),
    "reshape_activations": ("none",),
    "activation_fn": ("relu",),
    "activation_fn_str": ("relu",),
    "finetuning_scaling_factor": (False,),
}
"""Settings of sae-lens under which the decoder is the linear map f W_dec + b_dec, with the values allowed."""


class Sae(nn.Module):
    """f = gate(ReLU((x - b_dec?) W_enc + b_enc)), Dec(f) = f W_dec + b_dec; nothing in it is ever trained.

    The tensors are buffers that stay out of `state_dict`: an arm that saves itself does not save its SAE.

    Attributes:
        W_enc: (d_in, d_sae); b_enc: (d_sae,); threshold: (d_sae,), zeros where the SAE has a plain ReLU;
            all three None where only the decoder was loaded.
        W_dec: (d_sae, d_in); b_dec: (d_in,).
        apply_b_dec_to_input: whether the encoder reads x - b_dec instead of x.
        hook_name: where the SAE was trained (sae-lens' metadata), None where its files do not say.
    """

    W_enc: Tensor | None
    b_enc: Tensor | None
    threshold: Tensor | None
    W_dec: Tensor
    b_dec: Tensor

    def __init__(
        self, tensors: dict[str, Tensor], *, apply_b_dec_to_input: bool, hook_name: str | None = None
    ) -> None:
        super().__init__()
        for name in (*DECODER, *ENCODER):
            tensor = tensors[name].detach().clone() if name in tensors else None
            self.register_buffer(name, tensor, persistent=False)
        if self.b_enc is not None and self.threshold is None:
            self.threshold = torch.zeros_like(self.b_enc)
        self.apply_b_dec_to_input = apply_b_dec_to_input
        self.hook_name = hook_name

    @property
    def d_in(self) -> int:
        """Width of the residual stream that the SAE reads."""
        return self.W_dec.shape[1]

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return self.W_dec.shape[0]

    def encoder_input(self, x: Tensor) -> Tensor:
        """What the encoder multiplies by W_enc: (..., d_in) -> (..., d_in)."""
        return x - self.b_dec if self.apply_b_dec_to_input else x

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations, none of them negative: (..., d_in) -> (..., d_sae).

        Raises:
            ValueError: only the decoder was loaded.
        """
        if self.W_enc is None or self.b_enc is None or self.threshold is None:
            raise ValueError("the encoder was not loaded")
        return gated_relu(self.encoder_input(x) @ self.W_enc + self.b_enc, self.threshold)

    def decode(self, f: Tensor) -> Tensor:
        """The reconstruction of the residual stream: (..., d_sae) -> (..., d_in)."""
        return f @ self.W_dec + self.b_dec

    @classmethod
    def from_folder(cls, folder: Path, *, encoder: bool = True) -> Sae:
        """Read `cfg.json` and `sae_weights.safetensors` as sae-lens writes them.

        Args:
            encoder: whether to keep the encoder, half of the memory, which the lean path never runs.

        Raises:
            MissingInputError: a file is missing.
            DamagedFileError: pickled weights, broken files, shapes that contradict the configuration, NaN.
            ProfileError: a setting under which steering with v W_dec would not be exact.
        """
        config = _read_config(folder)
        _refuse_nonlinear(config, folder)
        tensors = _read_weights(folder)
        _check_tensors(tensors, config, folder)
        metadata = config.get("metadata") or {}
        return cls(
            {name: tensor for name, tensor in tensors.items() if encoder or name in DECODER},
            apply_b_dec_to_input=bool(config["apply_b_dec_to_input"]),
            hook_name=metadata.get("hook_name") or config.get("hook_name"),
        )

    def check_fits(self, *, hidden_size: int, layer: int) -> None:
        """Refuse a model of another width, and a block that the SAE was not trained on.

        Raises:
            ProfileError: the SAE does not belong to this place of this model.
        """
        if self.d_in != hidden_size:
            raise ProfileError(
                f"the SAE reads {self.d_in} numbers, the model's residual stream has {hidden_size}",
                value=self.hook_name,
                remedy="name the SAE that was trained on this model ([sae] in the profile)",
            )
        wanted = hook_name(layer)
        if self.hook_name not in (None, wanted):
            raise ProfileError(
                f"the SAE was not trained at {wanted}",
                value=self.hook_name,
                remedy="set sae.layer to the block that the SAE was trained on, or name another SAE",
            )


def gated_relu(pre: Tensor, threshold: Tensor) -> Tensor:
    """ReLU(pre) where pre exceeds the threshold, else 0; the threshold of a plain ReLU is 0."""
    return torch.relu(pre) * (pre > threshold)


def _read_config(folder: Path) -> dict[str, Any]:
    _refuse_pickles(folder)
    path = folder / CONFIG
    first = "run the `prepare` stage"
    config = read_document(path, what="the SAE's configuration", remedy=AGAIN, first=first)
    needed = {"architecture": str, "d_in": int, "d_sae": int, "apply_b_dec_to_input": bool}
    settings = config if isinstance(config, dict) else {}
    wrong = [name for name, kind in needed.items() if not isinstance(settings.get(name), kind)]
    if wrong:
        raise _damaged(f"the SAE's configuration lacks a valid {', '.join(wrong)}", path)
    return settings


def _refuse_pickles(folder: Path) -> None:
    files = (
        [folder] if folder.is_file() else sorted(folder.glob("*")) if not (folder / WEIGHTS).is_file() else []
    )
    for path in files:
        if path.suffix in PICKLES:
            raise DamagedFileError(
                "the SAE's weights are a pickle file: reading it could run code, so it is refused",
                value=path,
                remedy=f"convert it to sae-lens' {WEIGHTS} on a machine where you trust it",
            )


def _refuse_nonlinear(config: dict[str, Any], folder: Path) -> None:
    for setting, allowed in LINEAR.items():
        if setting in config and config[setting] not in allowed:
            raise ProfileError(
                f"with this {setting} the SAE is not that of equation 6 (ReLU in, linear out), "
                "and x' = x + v W_dec would not hold",
                value=f"{setting} = {config[setting]!r} in {folder / CONFIG}",
                remedy=f"use an SAE with {setting} = {' or '.join(map(repr, allowed))}",
            )


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.is_file():
        raise MissingInputError("the SAE's weights are missing", value=path, remedy="run the `prepare` stage")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise _damaged(f"the SAE's weights cannot be read ({error})", path) from error


def _check_tensors(tensors: dict[str, Tensor], config: dict[str, Any], folder: Path) -> None:
    d_in, d_sae = config["d_in"], config["d_sae"]
    wanted = {"W_enc": (d_in, d_sae), "b_enc": (d_sae,), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    if config["architecture"] == "jumprelu":
        wanted["threshold"] = (d_sae,)
    path = folder / WEIGHTS
    if set(tensors) != set(wanted):
        raise _damaged(f"the SAE's weights hold {sorted(tensors)}, expected {sorted(wanted)}", path)
    for name, shape in wanted.items():
        if tuple(tensors[name].shape) != shape:
            raise _damaged(f"{name} has shape {tuple(tensors[name].shape)}, {CONFIG} says {shape}", path)
        if not torch.isfinite(tensors[name]).all():
            raise _damaged(f"{name} holds NaN or infinity", path)
    if "threshold" in tensors and bool((tensors["threshold"] < 0).any()):
        raise _damaged("a threshold of the SAE is negative", path)


def _damaged(cause: str, path: Path) -> DamagedFileError:
    return DamagedFileError(cause, value=path, remedy=AGAIN)
