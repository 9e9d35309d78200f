"""One reader of JSON lines: what ends a line, and every broken line refused by its number."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.classification.answer_store import Answers
from harness.classification.explanations import read_explanations, read_labels
from harness.core.errors import DamagedFileError, DataError, HarnessError, MissingInputError
from harness.core.json_lines import rows
from harness.evaluation.rows import read_rows
from harness.findings.features import read_features
from harness.stages.analyse import _read_items
from harness.training.pairs import read_pairs

USER, ASSISTANT = ([{"role": role, "content": "a"}] for role in ("user", "assistant"))
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "features": ('{"feature": 0, "label": "style"}', read_features),
    "explanations": ('{"feature": 0, "description": "x"}', read_explanations),
    "labels": ('{"feature": 0, "label": "style"}', read_labels),
    "answers": (
        '{"key": "k", "label": "l", "model": "m", "input_tokens": 1, "output_tokens": 1}',
        Answers,
    ),
    "samples": (
        '{"doc_id": 0, "metrics": {"acc": 1.0}}',
        lambda path: _read_items(path, "acc", "evaluate again"),
    ),
    "evaluation rows": ('{"question": "q", "answer": "4"}', read_rows),
    "pairs": (
        json.dumps({"prompt": USER, "chosen": ASSISTANT, "rejected": ASSISTANT}),
        lambda path: read_pairs(path, 0),
    ),
}
BROKEN = {
    "not UTF-8": b'{"feature": "\xff"}',
    "nested deeply": b"[" * 100_000,
    "nested deeply, closed": b'{"feature": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a character": b'{"feature": "\\ud800"}',
    "a number of too many digits": b'{"feature": ' + b"9" * 5000 + b"}",
    "cut": b'{"feature": ',
    "a list": b"[1]",
    "nothing": b"null",
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("reader", READERS)
def test_a_broken_line_is_refused_by_its_number(tmp_path: Path, reader: str, broken: str) -> None:
    good, read = READERS[reader]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(good.encode() + b"\n")
    read(path)
    path.write_bytes(good.encode() + b"\n" + BROKEN[broken] + b"\n")
    with pytest.raises(HarnessError, match=r"(line|row) 2") as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
@pytest.mark.parametrize("reader", ["features", "explanations", "labels"])
def test_a_feature_that_is_no_number_is_refused(tmp_path: Path, reader: str, number: str) -> None:
    good, read = READERS[reader]
    path = tmp_path / "rows.jsonl"
    path.write_text(good.replace("0", number, 1) + "\n", encoding="utf-8")
    with pytest.raises(HarnessError, match=r"(line|row) 1"):
        read(path)


def listed(path: Path, parse: Callable[[Any], Any] = lambda row: row) -> list[Any]:
    return list(rows(path, parse, what="the rows", remedy="correct it", refusal=DataError))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('"a\u2028b\x85c"\n2\n', ["a\u2028b\x85c", 2]),
        ("1\n2", [1, 2]),
        ("1\r\n2\r\n", [1, 2]),
        ('{"a": 1, "a": 2}', [{"a": 2}]),
        ('"\\ud83d\\ude00"', ["\U0001f600"]),
        ("", []),
    ],
)
def test_what_ends_a_line(tmp_path: Path, content: str, found: list[Any]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content.encode())
    assert listed(path) == found


def test_a_blank_line_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n\n2\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2 of the rows: not JSON"):
        listed(path)


@pytest.mark.parametrize("spelt", [b'"\\ud800"', b'{"a": ["\\uDFFF\\ud83d"]}', b'{"\\ud800": 1}'])
def test_half_of_a_character_is_refused(tmp_path: Path, spelt: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"1\n" + spelt)
    with pytest.raises(DataError, match="line 2 of the rows: a text holds half of a character"):
        listed(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[1, \xff]", b'["\\ud800"]', b"\x1f\x8bno", b""])
@pytest.mark.parametrize("cut", [False, True])
def test_an_export_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, cut: bool) -> None:
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(content)[:-9] if cut else content)
    with pytest.raises(HarnessError) as caught:
        read_explanations(path)
    assert caught.value.exit_code == DamagedFileError.exit_code


@pytest.mark.parametrize("fault", [ValueError("x"), KeyError("x"), TypeError("x"), OverflowError("x")])
def test_what_the_parser_raises_is_a_refusal(tmp_path: Path, fault: Exception) -> None:
    def parse(row: Any) -> Iterable[Any]:
        raise fault

    path = tmp_path / "rows.jsonl"
    path.write_text("1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1 of the rows: .*x") as caught:
        listed(path, parse)
    assert caught.value.value == f"{path}, line 1"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the rows"):
        listed(tmp_path / "none.jsonl")
