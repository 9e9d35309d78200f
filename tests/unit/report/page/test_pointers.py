"""Lines and values of artefacts, as the page names them, against the file itself."""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.artefact import write_json
from harness.report.page.pointers import Place, Sources

VALUE = {"b": [1.5, {"c": "text"}, [], {}], "a": {"x": None}, "d": [[2], 3]}


def test_each_value_is_on_the_line_that_the_place_names(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", VALUE)
    text = (tmp_path / "one.json").read_text()
    sources, lines = Sources({"one.json": text}), text.splitlines()
    for pointer, shown in {
        "/a/x": "null",
        "/b/0": "1.5",
        "/b/1/c": '"text"',
        "/d/0/0": "2",
        "/d/1": "3",
    }.items():
        found = sources.place("one.json", pointer)
        assert found is not None
        assert found.value == shown
        assert shown in lines[found.line - 1], pointer
    assert sources.place("one.json", "/d") == Place(13, "[[2], 3]")


def test_a_file_laid_out_otherwise_has_values_without_lines() -> None:
    assert Sources({"x": json.dumps(VALUE)}).place("x", "/b/0") == Place(0, "1.5")


def test_what_is_not_there_has_no_place() -> None:
    assert Sources({"x": "{}"}).place("x", "/a") is None
    assert Sources({}).place("x", "/a") is None
