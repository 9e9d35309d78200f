"""Reads the files below results/ that say what the paper has: claims, tables, prompts."""

from __future__ import annotations

from pathlib import Path

from harness.core.documents import Model, read_model


def read_paper_file(path: Path, what: str, model: type[Model]) -> Model:
    """A validated file.

    Args:
        what: what of the paper it holds, for the messages.

    Raises:
        MissingInputError, DamagedFileError: the file is missing or invalid.
    """
    return read_model(path, model, what=f"the paper's {what}", remedy="restore the file from the repository")
