"""The paper's two categories with the system prompts that it prints (`results/paper-prompts.json`)."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from harness.contract import Record
from harness.errors import DamagedFileError, MissingInputError
from harness.features import CATEGORIES
from harness.provenance import ROOT

PROMPTS = ROOT / "results" / "paper-prompts.json"


class Category(Record):
    """A category as it is put to a language model.

    Attributes:
        category: its name in `harness.features.CATEGORIES`.
        positive, negative: the two answers that are allowed.
        system: the system prompt, as printed (appendix F).
    """

    category: str
    positive: str
    negative: str
    system: str

    @property
    def answers(self) -> tuple[str, str]:
        return self.positive, self.negative


class PaperPrompts(Record):
    """The file."""

    reference: str
    note: str
    prompts: tuple[Category, ...]


def read_categories(path: Path = PROMPTS) -> tuple[Category, ...]:
    """The categories in the order of `CATEGORIES`.

    Raises:
        MissingInputError, DamagedFileError: the file is not there, or not what it should be.
    """
    remedy = "restore the file from the repository"
    if not path.is_file():
        raise MissingInputError("the paper's prompts are missing", value=path, remedy=remedy)
    try:
        found = PaperPrompts.model_validate(json.loads(path.read_text(encoding="utf-8"))).prompts
        if tuple(one.category for one in found) != CATEGORIES:
            raise ValueError(f"the categories must be {', '.join(CATEGORIES)}, in this order")
    except (ValueError, ValidationError) as error:
        raise DamagedFileError(
            f"the paper's prompts cannot be read: {error}", value=path, remedy=remedy
        ) from error
    return found
