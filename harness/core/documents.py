"""Documents (JSON or TOML): read, checked against schema version and layout, or refused."""

from __future__ import annotations

import json
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.core.errors import DamagedFileError, HarnessError, MissingInputError

Model = TypeVar("Model", bound=BaseModel)
RESTORE = "restore the file from the repository"
"""The remedy for a file that is committed."""
FAULTS = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    OSError, EOFError, zlib.error,
)  # fmt: skip
"""What is raised when data cannot be read, or is not as the code that takes it apart expects."""


class Strict(BaseModel):
    """What a file or a profile says: frozen, unknown keys refused, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def read_model(path: Path, model: type[Model], *, what: str, remedy: str, first: str = "") -> Model:
    """A document as its type.

    Args:
        path: a JSON file, or a TOML file by its ending.
        what: what the document is, for the messages: `the paper's claims`.
        remedy: what to do about a damaged file.
        first: what to do where there is no file, if that is something else.

    Raises:
        MissingInputError: there is no file.
        DamagedFileError: it is not JSON or TOML, has another schema version or another layout.
    """
    data = read_document(path, what=what, remedy=remedy, first=first)
    return parse_model(data, model, what=what, where=path, remedy=remedy)


def parse_model(data: Any, model: type[Model], *, what: str, where: object, remedy: str) -> Model:
    """The same for data that was read already from `where`.

    A type whose field `schema_version` has a default reads documents of that version and of no other.

    Raises:
        DamagedFileError: another schema version or another layout.
    """
    with refused(what, where, remedy):
        field = model.model_fields.get("schema_version")
        wanted = field.default if field else None
        found = data.get("schema_version") if isinstance(data, dict) else None
        if isinstance(wanted, int) and found != wanted:
            raise ValueError(f"schema version {found!r}, this harness reads {wanted}")
        return model.model_validate(data)


def read_document(path: Path, *, what: str, remedy: str, first: str = "") -> Any:
    """A document as plain data; arguments and errors as for `read_model`."""
    if not path.is_file():
        raise MissingInputError(f"a file is missing: {what}", value=path, remedy=first or remedy)
    kind, parse = ("TOML", tomllib.loads) if path.suffix == ".toml" else ("JSON", json.loads)
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise DamagedFileError(
            f"cannot read {what}: not readable {kind} ({error})", value=path, remedy=remedy
        ) from error


def read_result(path: Path, model: type[Model], *, what: str, made_by: str) -> Model:
    """As `read_model`, for what a command has made: the remedy is to run `made_by`."""
    return read_model(path, model, what=what, **_remedies(made_by))


def read_json(path: Path, *, made_by: str) -> Any:
    """An earlier result as plain data.

    Args:
        made_by: the command that makes the file, for the error message.

    Raises:
        MissingInputError: the file is not there.
        DamagedFileError: it is not JSON.
    """
    return read_document(path, what="an earlier result", **_remedies(made_by))


def _remedies(made_by: str) -> dict[str, str]:
    return {"remedy": f"delete it and run `{made_by}`", "first": f"run `{made_by}` first"}


@contextmanager
def refused(
    what: str, where: object, remedy: str, kind: type[HarnessError] = DamagedFileError
) -> Iterator[None]:
    """Turn any fault in reading data into one refusal with a message."""
    try:
        yield
    except FAULTS as error:
        raise kind(f"cannot read {what}: {reason(error)}", value=where, remedy=remedy) from error


def reason(error: Exception) -> str:
    """What was wrong with the data: the first fault of a layout with its dotted path, else the message."""
    if isinstance(error, ValidationError):
        first, count = error.errors(include_url=False)[0], error.error_count()
        place = ".".join(map(str, first["loc"])) or "the top"
        more = f" (the first of {count} faults)" if count > 1 else ""
        return f"wrong layout at {place}: {first['msg']}{more}"
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
