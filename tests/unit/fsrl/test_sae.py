"""Reading an SAE: what is refused, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, LAYER, toy_sae, toy_tensors, toy_x, write_sae

from fsrl.sae import Sae
from harness.core.errors import DamagedFileError, HarnessError, MissingInputError, ProfileError


def test_encode_and_decode_by_hand() -> None:
    """z = x - b_dec + b_enc = (2, 1) - (1, 0) + (0, -2) = (1, -1); f = (1, 0); Dec = (3, 4) + (1, 0)."""
    sae = Sae(
        {
            "W_enc": torch.eye(2),
            "b_enc": torch.tensor([0.0, -2.0]),
            "W_dec": torch.tensor([[3.0, 4.0], [5.0, 6.0]]),
            "b_dec": torch.tensor([1.0, 0.0]),
            "threshold": torch.tensor([0.5, 0.5]),
        },
        apply_b_dec_to_input=True,
    )
    x = torch.tensor([2.0, 1.0])
    assert sae.encode(x).tolist() == [1.0, 0.0]
    assert sae.encode(x - torch.tensor([0.5, 0.0])).tolist() == [0.0, 0.0]  # 0.5 does not exceed 0.5
    assert sae.decode(sae.encode(x)).tolist() == [4.0, 4.0]


def test_it_has_no_parameters_and_no_saved_state() -> None:
    sae = toy_sae()
    assert list(sae.parameters()) == []
    assert sae.state_dict() == {}


def test_a_folder_is_read_with_and_without_the_encoder(tmp_path: Path) -> None:
    folder, tensors = write_sae(tmp_path / "sae"), toy_tensors()
    whole, lean = Sae.from_folder(folder), Sae.from_folder(folder, encoder=False)
    assert (whole.d_in, whole.d_sae, whole.hook_name) == (D_IN, D_SAE, f"blocks.{LAYER}.hook_resid_post")
    for name, tensor in tensors.items():
        assert torch.equal(getattr(whole, name), tensor)
    assert torch.equal(lean.W_dec, tensors["W_dec"])
    assert lean.W_enc is lean.b_enc is lean.threshold is None
    assert torch.equal(lean.encoder_input(tensors["b_dec"]), torch.zeros(D_IN))
    with pytest.raises(ValueError, match="not loaded"):
        lean.encode(toy_x(2, D_IN))


def test_an_sae_with_a_plain_relu_has_thresholds_of_zero(tmp_path: Path) -> None:
    tensors = toy_tensors()
    del tensors["threshold"]
    sae = Sae.from_folder(write_sae(tmp_path / "sae", tensors, architecture="standard"))
    x = toy_x(3, D_IN)
    pre = (x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    torch.testing.assert_close(sae.encode(x), torch.relu(pre))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("architecture", "gated"),
        ("architecture", "topk"),
        ("normalize_activations", "layer_norm"),
        ("normalize_activations", "expected_average_only_in"),
        ("reshape_activations", "hook_z"),
        ("activation_fn", "tanh-relu"),
        ("finetuning_scaling_factor", True),
    ],
)
def test_a_setting_that_breaks_the_identity_is_refused_by_name(
    tmp_path: Path, setting: str, value: Any
) -> None:
    with pytest.raises(ProfileError, match=setting) as caught:
        Sae.from_folder(write_sae(tmp_path / "sae", **{setting: value}))
    assert repr(value) in str(caught.value)


def changed(name: str, tensor: torch.Tensor | None) -> dict[str, torch.Tensor]:
    tensors = {**toy_tensors(), name: torch.zeros(1) if tensor is None else tensor}
    return {k: t for k, t in tensors.items() if not (k == name and tensor is None)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (changed("b_enc", None), "hold"),
        (changed("threshold", None), "hold"),
        (changed("scaling", torch.ones(2)), "hold"),
        (changed("W_dec", torch.ones(D_SAE, D_IN - 1)), "W_dec has shape"),
        (changed("W_dec", torch.full((D_SAE, D_IN), torch.inf)), "NaN or infinity"),
        (changed("threshold", -torch.ones(D_SAE)), "negative"),
    ],
)
def test_weights_that_contradict_the_configuration_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(DamagedFileError, match=message):
        Sae.from_folder(write_sae(tmp_path / "sae", tensors))


def cut(folder: Path) -> None:
    path = folder / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def pickled(folder: Path) -> None:
    (folder / "sae_weights.safetensors").unlink()
    torch.save({}, folder / "sae.pt")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (cut, DamagedFileError, "cannot be read"),
        (pickled, DamagedFileError, r"pickle(.|\n)*sae\.pt"),
        (lambda f: (f / "cfg.json").write_text("{"), DamagedFileError, "JSON"),
        (lambda f: (f / "cfg.json").write_text("[" * 100_000), DamagedFileError, "JSON"),
        (lambda f: (f / "cfg.json").write_text("[]"), DamagedFileError, "lacks a valid"),
        (lambda f: (f / "cfg.json").write_text('{"d_in": "16"}'), DamagedFileError, "d_in"),
        (lambda f: (f / "cfg.json").unlink(), MissingInputError, "missing: the SAE's configuration"),
        (lambda f: (f / "sae_weights.safetensors").unlink(), MissingInputError, "weights are missing"),
    ],
)
def test_broken_folders_are_refused(
    tmp_path: Path, damage: Any, error: type[HarnessError], message: str
) -> None:
    folder = write_sae(tmp_path / "sae")
    damage(folder)
    with pytest.raises(error, match=message):
        Sae.from_folder(folder)


def test_a_pickle_given_as_the_sae_is_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "sae.pkl")
    with pytest.raises(DamagedFileError, match="run code"):
        Sae.from_folder(tmp_path / "sae.pkl")


def test_an_sae_of_another_block_is_refused(tmp_path: Path) -> None:
    sae = Sae.from_folder(write_sae(tmp_path / "sae"))
    sae.check_fits(hidden_size=D_IN, layer=LAYER)
    with pytest.raises(ProfileError, match=r"blocks\.2\.hook_resid_post"):
        sae.check_fits(hidden_size=D_IN, layer=2)
    with pytest.raises(ProfileError, match="has 2304"):
        sae.check_fits(hidden_size=2304, layer=LAYER)
