"""The adapter's files: saved and loaded whole, refused where damaged or of another base."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, JUMP, LAYER, MINIMAL, toy_arm, toy_model, toy_tensors, write_sae
from safetensors.torch import load_file, save_file
from torch import Tensor

from fsrl.arm import Arm
from fsrl.config import Config
from harness.arm import Scene
from harness.core.errors import (
    DamagedFileError,
    HarnessError,
    MissingInputError,
    ProfileError,
    RunFolderError,
)
from harness.profiles.sections import SaeSection

IDS = torch.tensor([[2, 7, 13, 21, 0, 0], [2, 9, 30, 4, 5, 6]])


# --- files


def reload(scene: Scene, folder: Path, **options: Any) -> Any:
    model, arm = toy_model(), Arm(Config.model_validate({**MINIMAL, **options}), scene)
    arm.load(model, folder)
    return model


@pytest.mark.parametrize("options", [{}, JUMP, {"activation": "soft_threshold", "fusion_relu": True}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_and_loaded_it_is_the_same_model(
    scene: Scene, tmp_path: Path, options: dict[str, Any], dtype: torch.dtype
) -> None:
    model, arm, steering = toy_arm(scene, **options)
    steering.adapter.to(dtype)
    steering.sae.to(dtype)
    arm.save(model, tmp_path / "weights")
    again = reload(scene, tmp_path / "weights", **options)
    with torch.no_grad():
        assert torch.equal(again(IDS).logits, model(IDS).logits)
    assert again.get_submodule("fsrl.adapter").weight.dtype == dtype
    assert not any(p.requires_grad for p in again.parameters())


def test_what_is_written(scene: Scene, tmp_path: Path) -> None:
    model, arm, _ = toy_arm(scene, top_fraction=0.5)
    arm.save(model, tmp_path / "weights")
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "adapter.json",
        "adapter.safetensors",
    ]
    assert sorted(load_file(tmp_path / "weights" / "adapter.safetensors")) == ["bias", "weight"]
    card = json.loads((tmp_path / "weights" / "adapter.json").read_text())
    expected = {
        "schema_version": 1,
        "d_in": D_IN,
        "d_sae": D_SAE,
        "activation": "relu",
        "layer": LAYER,
        "hook_name": "blocks.1.hook_resid_post",
        "path": "lean",
        "top_fraction": 0.5,
        "adapter_dtype": "float32",
        "residual_dtype": "float32",
        "sae_digest": "s" * 64,
        "model_digest": "m" * 64,
    }
    assert {name: card[name] for name in expected} == expected


@pytest.fixture
def saved(scene: Scene, tmp_path: Path) -> Path:
    model, arm, _ = toy_arm(scene)
    arm.save(model, tmp_path / "weights")
    return tmp_path / "weights"


@pytest.mark.parametrize("field", ["sae_digest", "model_digest"])
def test_another_sae_or_base_model_is_refused(scene: Scene, saved: Path, field: str) -> None:
    with pytest.raises(ProfileError, match=field):
        reload(scene._replace(**{field: "x" * 64}), saved)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"top_fraction": 0.5}, "top_fraction"), ({"fusion_relu": True}, "fusion_relu"), (JUMP, "activation")],
)
def test_another_way_of_steering_is_refused(
    scene: Scene, saved: Path, options: dict[str, Any], name: str
) -> None:
    with pytest.raises(ProfileError, match=name):
        reload(scene, saved, **options)


def test_another_block_is_refused(scene: Scene, saved: Path) -> None:
    with pytest.raises(ProfileError, match="layer"):
        reload(scene._replace(sae=SaeSection(source="bundle", layer=2)), saved)


def truncate(folder: Path) -> None:
    path = folder / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def flip(folder: Path) -> None:
    path = folder / "adapter.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Other weights with a card that states their digest."""
    from harness.core.artefact import digest_file

    save_file(tensors, folder / "adapter.safetensors")
    edit(folder, weights_sha256=digest_file(folder / "adapter.safetensors"))


WHOLE = {"weight": torch.ones(D_SAE, D_IN), "bias": torch.ones(D_SAE)}


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (truncate, DamagedFileError, "digest"),
        (flip, DamagedFileError, "digest"),
        (lambda f: edit(f, weights_sha256="0" * 64), DamagedFileError, "digest"),
        (lambda f: edit(f, schema_version=2), DamagedFileError, "schema_version"),
        (lambda f: edit(f, extra=1), DamagedFileError, "extra"),
        (lambda f: edit(f, d_sae="40"), DamagedFileError, "d_sae"),
        (lambda f: (f / "adapter.json").write_text("{"), DamagedFileError, "JSON"),
        (lambda f: edit(f, d_sae=39), DamagedFileError, "tensors are"),
        (lambda f: rewrite(f, {"weight": WHOLE["weight"]}), DamagedFileError, "tensors are"),
        (lambda f: rewrite(f, {**WHOLE, "weight": torch.ones(D_SAE, 3)}), DamagedFileError, "tensors are"),
        (lambda f: rewrite(f, {**WHOLE, "bias": torch.full((D_SAE,), torch.nan)}), DamagedFileError, "NaN"),
        (lambda f: rewrite(f, {k: t.half() for k, t in WHOLE.items()}), DamagedFileError, "float16"),
        (lambda f: (f / "adapter.json").unlink(), MissingInputError, "missing"),
        (lambda f: (f / "adapter.safetensors").unlink(), MissingInputError, "missing"),
    ],
)
def test_damaged_files_are_refused(
    scene: Scene, saved: Path, damage: Any, error: type[HarnessError], message: str
) -> None:
    damage(saved)
    with pytest.raises(error, match=message):
        reload(scene, saved)


def test_weights_that_are_not_safetensors_are_refused_though_the_digest_holds(
    scene: Scene, saved: Path
) -> None:
    from harness.core.artefact import digest_file

    (saved / "adapter.safetensors").write_bytes(b"not a tensor file")
    edit(saved, weights_sha256=digest_file(saved / "adapter.safetensors"))
    with pytest.raises(DamagedFileError, match="cannot be read"):
        reload(scene, saved)


def test_an_sae_of_another_size_is_refused(scene: Scene, saved: Path, tmp_path: Path) -> None:
    wider = write_sae(tmp_path / "wider", toy_tensors(D_IN, 48), d_sae=48)
    with pytest.raises(DamagedFileError, match=r"the SAE wants \(48, 16\)"):
        reload(scene._replace(sae_dir=wider), saved)


def test_a_folder_that_cannot_be_written_is_an_error_without_a_trace(scene: Scene, tmp_path: Path) -> None:
    model, arm, _ = toy_arm(scene)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HarnessError, match="cannot write the adapter") as caught:
        arm.save(model, tmp_path / "file" / "weights")
    assert "--run-dir" in str(caught.value)


def test_a_full_disk_leaves_neither_a_part_nor_a_card(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_tensors: object, path: Path, **_: object) -> None:
        path.write_bytes(b"a part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fsrl.adapter_file.save_file", full)
    model, arm, _ = toy_arm(scene)
    with pytest.raises(RunFolderError, match="No space left"):
        arm.save(model, tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []
