"""Rows of an evaluation set, read and checked here: lm-eval gets rows, and no path to expand."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.core.errors import DataError
from harness.core.json_lines import rows
from harness.evaluation.row_schemas import SCHEMAS

if TYPE_CHECKING:
    from datasets import DatasetDict

REMEDY = "correct or remove that row; docs/data-root.md lists the fields of each task"
NAMES = {str: "string", int: "int64", float: "float64", bool: "bool"}
INT64 = 2**63
Json = dict[str, Any]
Shape = Any
"""What the values of a field are: None (null), one of NAMES, [shape of the members], {key: shape}."""


def task_dataset(data_files: dict[str, str], schema: str = "", **_: object) -> DatasetDict:
    """A task's rows, typed as they are written; lm-eval calls it with `dataset_kwargs` of the task's file.

    Args:
        data_files: split -> file of JSON lines, taken literally.
        schema: a name in SCHEMAS; without one, all rows of a file must be alike.

    Raises:
        MissingInputError, DataError: as for `read_rows`.
    """
    import datasets

    found = {}
    for split, path in data_files.items():
        read, shape = read_rows(Path(path), schema)
        features = datasets.Features({field: _feature(one) for field, one in shape.items()})
        found[split] = datasets.Dataset.from_list(read, features=features)
    return datasets.DatasetDict(found)


def read_rows(path: Path, schema: str = "") -> tuple[list[Json], dict[str, Shape]]:
    """The checked rows of one file, and the shape of each field.

    Raises:
        MissingInputError: there is no file.
        DataError: it is empty or a row cannot be used; the message names file, line, field and value.
    """
    shape: dict[str, Shape] = {}
    check = _by_schema(schema) if schema else _like_the_first(shape)

    def parse(row: Any) -> Json:
        checked = check(row)
        shape.update({field: _joined(shape.get(field), value, field) for field, value in checked.items()})
        return checked

    found = list(rows(path, parse, what="the evaluation rows", remedy=REMEDY, refusal=DataError))
    if not found:
        raise DataError("the file of rows is empty", value=path, remedy=REMEDY)
    return found, shape


def _by_schema(name: str) -> Callable[[Any], Json]:
    if name not in SCHEMAS:
        raise DataError(
            "a task's file names a schema of rows that there is not",
            value=name,
            remedy=f"name one of {', '.join(SCHEMAS)}, or none",
        )
    model = SCHEMAS[name]

    def check(row: Any) -> Json:
        if not isinstance(row, dict):
            raise ValueError("not a JSON object")
        try:
            return model.model_validate(row).model_dump()
        except ValidationError as error:
            raise ValueError(_first_fault(error)) from error

    return check


def _first_fault(error: ValidationError) -> str:
    """The first fault as field, value and what is wrong."""
    fault = error.errors(include_url=False)[0]
    field = ".".join(map(str, fault["loc"]))
    if fault["type"] == "missing":
        return f"the field `{field}` is missing"
    return f"`{field}` is {reprlib.repr(fault['input'])}: {fault['msg'].removeprefix('Value error, ')}"


def _like_the_first(shape: dict[str, Shape]) -> Callable[[Any], Json]:
    """For a task without a schema: each row has the fields of the file's first one, and none is null."""

    def check(row: Any) -> Json:
        if not isinstance(row, dict) or not row:
            raise ValueError("not a JSON object with fields")
        if shape and row.keys() != shape.keys():
            different = ", ".join(sorted(row.keys() ^ shape.keys()))
            raise ValueError(f"the row does not have the fields of the first one ({different})")
        for field, value in row.items():
            if value is None:
                raise ValueError(f"`{field}` is null")
        return row

    return check


def _joined(known: Shape, value: Any, field: str) -> Shape:
    """The shape of the values so far and of one more.

    Raises:
        ValueError: they are of two kinds, or a whole number has more than 64 bits.
    """
    if value is None:
        return known
    kind = type(known) if isinstance(known, dict | list) else known
    if kind not in (None, type(value)):
        raise ValueError(
            f"`{field}` is {reprlib.repr(value)}, a {type(value).__name__}; before it a {kind.__name__}"
        )
    if isinstance(value, dict):
        old = known or {}
        return old | {key: _joined(old.get(key), one, f"{field}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        member = known[0] if known else None
        for one in value:
            member = _joined(member, one, field)
        return [member]
    if isinstance(value, int) and not -INT64 <= value < INT64:
        raise ValueError(f"`{field}` is {reprlib.repr(value)}, which has more than 64 bits")
    return type(value)


def _feature(shape: Shape) -> Any:
    import datasets

    if isinstance(shape, dict):
        return {key: _feature(one) for key, one in shape.items()}
    if isinstance(shape, list):
        return datasets.List(_feature(shape[0]))
    return datasets.Value(NAMES[shape] if shape else "null")
