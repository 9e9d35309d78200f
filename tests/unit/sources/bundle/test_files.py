"""The bundled miniature is read against its manifest; a damaged file is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.miniature.manifest import BUNDLE
from harness.sources.bundle import files as source
from harness.sources.bundle.files import read_bundle


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLE, folder)
    monkeypatch.setitem(source.BUNDLES, "miniature", folder)
    return folder


def test_parts_are_relative_to_their_folder() -> None:
    bundle = read_bundle("miniature")
    assert "model.safetensors" in bundle.part("model")
    assert "config.json" in bundle.part("model")
    assert all((bundle.root / "sae" / name).is_file() for name in bundle.part("sae"))
    assert "files" not in bundle.manifest


@pytest.mark.parametrize("name", ["model/model.safetensors", "sae/cfg.json", "world.json"])
def test_a_damaged_file_is_named(copy: Path, name: str) -> None:
    body = bytearray((copy / name).read_bytes())
    body[len(body) // 2] ^= 1
    (copy / name).write_bytes(body)
    with pytest.raises(DamagedFileError) as caught:
        read_bundle("miniature")
    assert caught.value.value == copy / name
    assert "build-miniature" in caught.value.remedy


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "features.jsonl").unlink()
    with pytest.raises(MissingInputError, match=r"features\.jsonl"):
        read_bundle("miniature")


def test_an_unknown_bundle_lists_those_that_there_are() -> None:
    with pytest.raises(ProfileError, match="miniature"):
        read_bundle("minature")
