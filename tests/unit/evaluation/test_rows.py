"""Rows of evaluation sets: read literally, typed as written, a fault named by file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation_toys import mmlu_row, problem_row, truthful_row, write_lines, write_rows

from harness.core.errors import DataError, MissingInputError
from harness.evaluation.row_schemas import SCHEMAS
from harness.evaluation.rows import read_rows, task_dataset

GUIDE = (Path(__file__).parents[3] / "docs" / "data-root.md").read_text(encoding="utf-8")
MMLU, MC2, PROBLEM = mmlu_row("tides", 0), truthful_row(0), problem_row(3)
TARGETS = MC2["mc2_targets"]


def refusal(path: Path, *rows: Any, schema: str) -> DataError:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_rows(path, schema)
    assert error.value.remedy
    return error.value


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        ({**MMLU, "answer": 4}, "`answer` is 4"),
        ({**MMLU, "answer": -1}, "`answer` is -1"),
        ({**MMLU, "answer": "2"}, "`answer` is '2'"),
        ({**MMLU, "answer": True}, "`answer` is True"),
        ({**MMLU, "answer": 1.0}, "`answer` is 1.0"),
        ({**MMLU, "question": None}, "`question` is None"),
        ({**MMLU, "question": " "}, "`question` is ' '"),
        ({**MMLU, "choices": ["a", "b", "c"]}, "`choices` is ['a', 'b', 'c']"),
        ({**MMLU, "choices": "abcd"}, "`choices` is 'abcd'"),
        ({**MMLU, "choices": ["a", "b", 3, "d"]}, "`choices.2` is 3"),
        ({k: v for k, v in MMLU.items() if k != "answer"}, "the field `answer` is missing"),
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
    ],
)
def test_a_broken_row_is_named(second: Any, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    error = refusal(path, MMLU, second, schema="mmlu")
    assert cause in error.cause
    assert error.value == f"{path}, line 2"


@pytest.mark.parametrize(
    "targets",
    [
        {**TARGETS, "labels": [1]},
        {**TARGETS, "labels": [0, 0]},
        {**TARGETS, "labels": [1, 1]},
        {**TARGETS, "labels": [1, 2]},
        {**TARGETS, "labels": ["1", "0"]},
        {**TARGETS, "choices": ["a", ""]},
        {**TARGETS, "choices": ["a", 2]},
        {},
        [],
    ],
)
@pytest.mark.parametrize("field", ["mc1_targets", "mc2_targets"])
def test_targets_without_a_true_and_a_false_answer_are_refused(
    field: str, targets: Any, tmp_path: Path
) -> None:
    error = refusal(tmp_path / "rows.jsonl", {**MC2, field: targets}, schema="truthfulqa_mc2")
    assert f"`{field}" in error.cause


@pytest.mark.parametrize("answer", ["It is 7.", "#### ", "####7", "#### $7", "#### 7 apples", "#### .", 7])
def test_a_solution_without_its_number_is_refused(answer: Any, tmp_path: Path) -> None:
    assert "`answer` is" in refusal(tmp_path / "g.jsonl", {**PROBLEM, "answer": answer}, schema="gsm8k").cause


def test_blanks_after_the_number_are_taken_off(tmp_path: Path) -> None:
    write_lines(tmp_path / "g.jsonl", [{**PROBLEM, "answer": PROBLEM["answer"] + " \n"}])
    assert read_rows(tmp_path / "g.jsonl", "gsm8k")[0] == [PROBLEM]


def test_text_stays_text_in_every_field(tmp_path: Path) -> None:
    days = ["1945-05-08", "12:30", "1e3", "true"]
    for name, row in {"a": {**MMLU, "choices": days}, "b": {"when": days[0], "more": {"at": days}}}.items():
        write_lines(tmp_path / f"{name}.jsonl", [row])
    typed = task_dataset({"test": str(tmp_path / "a.jsonl")}, "mmlu")["test"]
    assert typed[0] == {**MMLU, "choices": days}
    assert task_dataset({"x": str(tmp_path / "b.jsonl")})["x"][0] == {"when": days[0], "more": {"at": days}}


def test_a_path_is_taken_literally(tmp_path: Path) -> None:
    for name, row in (("rows [1]", MMLU), ("rows 1", {**MMLU, "question": "Another?"})):
        write_lines(tmp_path / name / "test.jsonl", [row])
    for name in ("*", "a?b", "{c,d}", "e::f", "file:", "%20", "hf:"):
        write_lines(tmp_path / name / "test.jsonl", [{**MMLU, "subject": name}])
        found = task_dataset({"test": str(tmp_path / name / "test.jsonl")}, "mmlu")["test"]
        assert found[0]["subject"] == name
    assert task_dataset({"test": str(tmp_path / "rows [1]" / "test.jsonl")}, "mmlu")["test"][0] == MMLU


def test_a_field_more_in_one_split_does_not_matter(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [PROBLEM])
    write_lines(tmp_path / "test.jsonl", [{"id": 1, **PROBLEM}, {"id": "b", **PROBLEM}])
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    found = task_dataset(files, "gsm8k")
    assert found["test"][1] == found["train"][0] == PROBLEM
    write_lines(tmp_path / "test.jsonl", [{"id": 1, **PROBLEM}])
    assert task_dataset(files)["test"][0] == {"id": 1, **PROBLEM}


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        ({"label": "1", "sol": ["b"]}, "`label` is '1', a str; before it a int"),
        ({"label": 1, "sol": [2]}, "`sol` is 2, a int; before it a str"),
        ({"label": 1, "sol": {"a": "b"}}, "`sol` is {'a': 'b'}, a dict; before it a list"),
        ({"label": 2**64, "sol": []}, "more than 64 bits"),
        ({"label": None, "sol": []}, "`label` is null"),
        ({"label": 1}, "the row does not have the fields of the first one (sol)"),
        ({}, "not a JSON object with fields"),
    ],
)
def test_rows_without_a_schema_are_alike(second: Any, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    error = refusal(path, {"label": 0, "sol": ["a"]}, second, schema="")
    assert cause in error.cause
    assert error.value == f"{path}, line 2"


def test_rows_without_a_schema_keep_their_values(tmp_path: Path) -> None:
    rows = [{"a": [], "b": {"c": None}, "d": 1.5}, {"a": [{"e": 1}], "b": {"c": "x"}, "d": 2.0}]
    write_lines(tmp_path / "rows.jsonl", rows)
    assert list(task_dataset({"test": str(tmp_path / "rows.jsonl")})["test"]) == rows


def test_no_rows_and_no_schema_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with pytest.raises(MissingInputError):
        read_rows(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="empty"):
        read_rows(path, "mmlu")
    with pytest.raises(DataError, match="schema") as error:
        read_rows(path, "piqa")
    assert "mmlu, truthfulqa_mc2, gsm8k" in error.value.remedy


def test_the_bundled_and_the_toys_rows_pass(tmp_path: Path) -> None:
    root = write_rows(tmp_path)
    assert len(read_rows(root / "openai/gsm8k/main/test.jsonl", "gsm8k")[0]) == 8


def test_the_guide_lists_every_field() -> None:
    for name, schema in SCHEMAS.items():
        line = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{field}`" in line for field in schema.model_fields)
