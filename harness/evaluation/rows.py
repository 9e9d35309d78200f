"""Rows of an evaluation set, checked before lm-eval sees them: it scores a broken row without a word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.core.errors import DataError


def check_rows(paths: Iterable[Path]) -> int:
    """Check files of JSON lines: like fields in every row, no null, answers that point at a choice.

    Returns:
        number of rows in all files.

    Raises:
        DataError: a file is empty or a row cannot be used; the message names file and line.
    """
    return sum(_check_file(path) for path in paths)


def _check_file(path: Path) -> int:
    shape: dict[str, type] | None = None
    count = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            row = _parse(line, f"{path}:{number}")
            shape = shape or {field: type(value) for field, value in row.items()}
            _check_row(row, shape, f"{path}:{number}")
            count += 1
    if not count:
        raise _refuse("the file of rows is empty", str(path))
    return count


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _refuse(f"the line is not JSON ({error})", where) from error
    if not isinstance(row, dict) or not row:
        raise _refuse("the line is not a JSON object with fields", where)
    return row


def _check_row(row: dict[str, Any], shape: dict[str, type], where: str) -> None:
    if row.keys() != shape.keys():
        different = ", ".join(sorted(row.keys() ^ shape.keys()))
        raise _refuse(f"the row does not have the fields of the first one ({different})", where)
    for field, value in row.items():
        if type(value) is not shape[field] or value is None:
            raise _refuse(
                f"`{field}` is a {type(value).__name__}, in the first row a {shape[field].__name__}", where
            )
    if isinstance(row.get("choices"), list) and isinstance(row.get("answer"), int):
        _check_choice(row["choices"], row["answer"], where)
    for field in ("mc1_targets", "mc2_targets"):
        if field in row:
            _check_targets(row[field], field, where)


def _check_choice(choices: list[Any], answer: int, where: str) -> None:
    if len(choices) != 4 or not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise _refuse("`choices` must be four texts", where)
    if not 0 <= answer < len(choices):
        raise _refuse(f"`answer` is {answer}, there are {len(choices)} choices", where)


def _check_targets(targets: Any, field: str, where: str) -> None:
    if not isinstance(targets, dict) or {"choices", "labels"} - targets.keys():
        raise _refuse(f"`{field}` must have choices and labels", where)
    choices, labels = targets["choices"], targets["labels"]
    if not isinstance(choices, list) or not isinstance(labels, list):
        raise _refuse(f"`{field}` must have lists of choices and labels", where)
    if not all(isinstance(label, int) for label in labels):
        raise _refuse(f"`{field}` has a label that is not 0 or 1", where)
    if len(choices) != len(labels) or set(labels) - {0, 1} or 1 not in labels or not all(choices):
        raise _refuse(f"`{field}` needs one label (0 or 1) for each text, and a 1 among them", where)


def _refuse(cause: str, where: str) -> DataError:
    return DataError(
        cause, value=where, remedy="correct or remove that row; see the layout in harness/tasks/"
    )
