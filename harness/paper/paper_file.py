"""Reads the files below results/ that say what the paper has: claims, tables, prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from harness.core.errors import DamagedFileError, MissingInputError

Model = TypeVar("Model", bound=BaseModel)


def read_paper_file(path: Path, what: str, model: type[Model]) -> Model:
    """A validated file.

    Args:
        what: what of the paper it holds, for the messages.

    Raises:
        MissingInputError, DamagedFileError: the file is not there, or not what it should be.
    """
    remedy = "restore the file from the repository"
    if not path.is_file():
        raise MissingInputError(f"the paper's {what} are missing", value=path, remedy=remedy)
    try:
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError, RecursionError) as error:
        raise DamagedFileError(
            f"the paper's {what} cannot be read: {error}", value=path, remedy=remedy
        ) from error
