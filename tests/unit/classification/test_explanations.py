"""Explanations and labels: what is read, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harness.classification.explanations import read_explanations, read_labels
from harness.core.errors import DamagedFileError, MissingInputError


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_neuronpedias_export(tmp_path: Path) -> None:
    """An array of rows whose index is a string; several explanations of one feature, and an empty one."""
    rows = [
        {"modelId": "m", "layer": "l", "index": "7", "description": " lists ", "typeName": "a"},
        {"modelId": "m", "layer": "l", "index": "7", "description": "bullets", "typeName": "b"},
        {"modelId": "m", "layer": "l", "index": 2, "description": "honesty", "explanationModelName": "b"},
        {"modelId": "m", "layer": "l", "index": "3", "description": ""},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = read_explanations(path)
    assert list(found.texts.items()) == [(2, "honesty"), (7, "lists")]
    assert (found.empty, found.repeated) == (1, 1)
    assert read_explanations(path, "b").texts == {2: "honesty", 7: "bullets"}
    (tmp_path / "export.gz").write_bytes(gzip.compress(lines(tmp_path / "x", *rows).read_bytes()))
    assert read_explanations(tmp_path / "export.gz") == found
    with pytest.raises(DamagedFileError, match="no feature has an explanation by c"):
        read_explanations(path, "c")


@pytest.mark.parametrize(
    "row", [{"description": "x"}, {"index": "x", "description": "x"}, [1], {"index": -1}]
)
def test_a_bad_explanation_is_named(tmp_path: Path, row: Any) -> None:
    with pytest.raises(DamagedFileError, match="row 2"):
        read_explanations(lines(tmp_path / "f", {"index": 1, "description": "x"}, row))


def test_labels_in_both_forms(tmp_path: Path) -> None:
    rows = (
        {"feature": 1, "label": "style"},
        {"feature": 2, "alignment": True},
        {"feature": 2, "style": False},
        {"feature": 3, "labels": []},
    )
    assert read_labels(lines(tmp_path / "f", *rows)) == {
        "alignment": {1: False, 2: True, 3: False},
        "style": {1: True, 2: False, 3: False},
    }


def test_a_line_separator_in_an_explanation_does_not_end_its_row(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('{"index": 1, "description": "a\u2028b"}\n', encoding="utf-8")
    assert read_explanations(path).texts == {1: "a\u2028b"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"feature": 1, "label": "stile"}, "stile"),
        ({"feature": 1, "style": "yes"}, "true or false"),
        ({"feature": 1}, "true or false"),
        ({"feature": 0, "style": False}, "differently"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(DamagedFileError, match=f"(?s)row 2.*{message}"):
        read_labels(lines(tmp_path / "f", {"feature": 0, "style": True}, row))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="not there"):
        read_explanations(tmp_path / "none")
