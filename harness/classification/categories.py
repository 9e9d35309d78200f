"""The paper's two categories with the system prompts that it prints (`results/paper-prompts.json`)."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from harness.core.documents import RESTORE, read_model
from harness.core.paths import COMMITTED
from harness.core.results import Record
from harness.findings.features import CATEGORIES

PROMPTS = COMMITTED / "paper-prompts.json"


class Category(Record):
    """A category as it is put to a language model.

    Attributes:
        category: its name in `harness.findings.features.CATEGORIES`.
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

    @model_validator(mode="after")
    def _in_order(self) -> PaperPrompts:
        if tuple(one.category for one in self.prompts) != CATEGORIES:
            raise ValueError(f"the categories must be {', '.join(CATEGORIES)}, in this order")
        return self


def read_categories(path: Path = PROMPTS) -> tuple[Category, ...]:
    """The categories in the order of `CATEGORIES`.

    Raises:
        MissingInputError, DamagedFileError: the file is missing or invalid.
    """
    return read_model(path, PaperPrompts, what="the paper's prompts", remedy=RESTORE).prompts
