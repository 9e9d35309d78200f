"""Documents: read as their type, or refused once and in words, whatever is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from harness.core.documents import read_model
from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.results import Record, Usage
from harness.evaluation.parts import Part, Parts
from harness.findings.compare import read_tolerances
from harness.sources.data_root import read_manifest
from harness.sources.hub.pins import read_lock
from harness.training.checkpoint import RECORD, last_checkpoint


class Inner(Record):
    size: int


class Versioned(Record):
    schema_version: Literal[3] = 3
    inner: Inner


def read(path: Path) -> Versioned:
    return read_model(path, Versioned, what="the test's document", remedy="write it again", first="write it")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"schema_version": 3, "inner": {"size": 1}}'),
        ("a.toml", "schema_version = 3\ninner.size = 1"),
    ],
)
def test_json_and_toml_are_read_by_their_ending(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read(tmp_path / name) == Versioned(inner=Inner(size=1))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"{", "cannot read the test's document: not readable JSON"),
        (b"\xff", "not readable JSON"),
        (b"[" * 100_000, "not readable JSON"),
        (b"9" * 5000, "not readable JSON"),
        (b"[]", "schema version None, this harness reads 3"),
        (b'{"schema_version": 2, "inner": 1}', "schema version 2, this harness reads 3"),
        (b'{"schema_version": 3, "inner": {"size": "x"}}', "wrong layout at inner.size: Input should be"),
        (b'{"schema_version": 3, "inner": {}, "x": 1}', r"wrong layout at inner\.size.*first of 2 faults"),
    ],
)
def test_what_is_wrong_is_said_in_words(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=cause) as caught:
        read(path)
    assert (caught.value.value, caught.value.remedy) == (path, "write it again")


def test_a_missing_document_has_its_own_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="missing: the test's document") as caught:
        read(tmp_path / "a.json")
    assert caught.value.remedy == "write it"


DEEP = b"[" * 100_000
USAGE = Usage(
    trainable_parameters=0, total_parameters=1, tokens=1, wall_s=1.0, startup_s=0.0,
    peak_allocated_gib=None, peak_reserved_gib=None, peak_rss_gib=1.0,
)  # fmt: skip
PART = Part(usage=USAGE, rows=[])


def test_a_deeply_nested_document_is_refused_everywhere(tmp_path: Path) -> None:
    for path in (tmp_path / "MANIFEST.json", tmp_path / "a.toml", tmp_path / "checkpoint-1" / RECORD):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(DEEP)
    with pytest.raises(DamagedFileError, match="manifest"):
        read_manifest(tmp_path)
    with pytest.raises(DamagedFileError, match="lock file"):
        read_lock(tmp_path / "MANIFEST.json")
    with pytest.raises(DamagedFileError, match="tolerances"):
        read_tolerances(tmp_path / "a.toml")
    assert last_checkpoint(tmp_path) is None
    assert Parts(tmp_path).once("MANIFEST", lambda: PART) == PART
