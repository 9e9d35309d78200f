"""Rows of an evaluation set, checked before lm-eval sees them: lm-eval scores broken rows silently."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.json_lines import rows

REMEDY = "correct or remove that row; see the layout in harness/tasks/"


def check_rows(paths: Iterable[Path]) -> int:
    """Check files of JSON lines: like fields in every row, no null, answers that point at a choice.

    Returns:
        number of rows in all files.

    Raises:
        DataError: a file is empty or a row cannot be used; the message names file and line.
    """
    return sum(_check_file(path) for path in paths)


def _check_file(path: Path) -> int:
    shape: dict[str, type] = {}

    def check(row: Any) -> None:
        if not isinstance(row, dict) or not row:
            raise ValueError("not a JSON object with fields")
        if not shape:
            shape.update({field: type(value) for field, value in row.items()})
        _check_row(row, shape)

    checked = rows(path, check, what="the evaluation rows", remedy=REMEDY, refusal=DataError)
    count = sum(1 for _ in checked)
    if not count:
        raise DataError("the file of rows is empty", value=path, remedy=REMEDY)
    return count


def _check_row(row: dict[str, Any], shape: dict[str, type]) -> None:
    if row.keys() != shape.keys():
        different = ", ".join(sorted(row.keys() ^ shape.keys()))
        raise ValueError(f"the row does not have the fields of the first one ({different})")
    for field, value in row.items():
        if type(value) is not shape[field] or value is None:
            raise ValueError(
                f"`{field}` is a {type(value).__name__}, in the first row a {shape[field].__name__}"
            )
    if isinstance(row.get("choices"), list) and isinstance(row.get("answer"), int):
        _check_choice(row["choices"], row["answer"])
    for field in ("mc1_targets", "mc2_targets"):
        if field in row:
            _check_targets(row[field], field)


def _check_choice(choices: list[Any], answer: int) -> None:
    if len(choices) != 4 or not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise ValueError("`choices` beside a whole number `answer` is MMLU's layout, and must be four texts")
    if not 0 <= answer < len(choices):
        raise ValueError(f"`answer` is {answer}, there are {len(choices)} choices")


def _check_targets(targets: Any, field: str) -> None:
    if not isinstance(targets, dict) or {"choices", "labels"} - targets.keys():
        raise ValueError(f"`{field}` must have choices and labels")
    choices, labels = targets["choices"], targets["labels"]
    if not isinstance(choices, list) or not isinstance(labels, list):
        raise ValueError(f"`{field}` must have lists of choices and labels")
    if not all(isinstance(label, int) for label in labels):
        raise ValueError(f"`{field}` has a label that is not 0 or 1")
    if len(choices) != len(labels) or set(labels) - {0, 1} or 1 not in labels or not all(choices):
        raise ValueError(f"`{field}` needs one label (0 or 1) for each text, and a 1 among them")
