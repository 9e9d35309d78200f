"""An artefact is written whole or not at all, and read as written or refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.core.artefact import (
    Artefact,
    digest_json,
    digest_tree,
    read_artefact,
    write_artefact,
    write_json,
)
from harness.core.errors import DamagedFileError, HarnessError, MissingInputError, RunFolderError


def artefact(**changes: Any) -> Artefact:
    fields: dict[str, Any] = {
        "stage": "train",
        "arm": "fsrl",
        "key": "k",
        "profile": {},
        "inputs": {"a": "1"},
        "outputs": {},
        "provenance": {},
        "wall_s": 1.5,
        "result": {"loss": 2.73},
    }
    return Artefact(**{**fields, **changes})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fsrl" / "train.json"
    write_artefact(path, artefact())
    assert read_artefact(path, made_by="x") == artefact()
    assert list(path.parent.iterdir()) == [path]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": math.nan})
    with pytest.raises(ValidationError):
        artefact(wall_s=math.inf)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.core.artefact.os.fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_missing_damaged_and_older_artefacts_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    with pytest.raises(MissingInputError, match="missing") as missing:
        read_artefact(path, made_by="python -m harness train")
    assert "python -m harness train" in missing.value.remedy
    write_artefact(path, artefact())
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="not readable JSON"):
        read_artefact(path, made_by="x")
    path.write_text(whole.replace('"schema_version": 1', '"schema_version": 0'))
    with pytest.raises(DamagedFileError, match="schema version 0"):
        read_artefact(path, made_by="x")
    path.write_text(whole.replace('"stage"', '"stagee"'))
    with pytest.raises(DamagedFileError, match="layout"):
        read_artefact(path, made_by="x")


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_remedy(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.json"
    path.write_bytes(data)
    with pytest.raises(HarnessError) as caught:
        read_artefact(path, made_by="x")
    assert caught.value.remedy


def test_digests_do_not_depend_on_order_but_on_content(tmp_path: Path) -> None:
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("x")
    # sha256("x"), from any sha256sum
    assert digest_tree(tmp_path) == {
        "b/c": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    }
