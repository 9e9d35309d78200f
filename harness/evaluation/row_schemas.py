"""What a row of each task holds. docs/data-root.md lists it; a file of `harness/tasks/` names its schema."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("a text that is not empty is needed")
    return value


def _solution(value: str) -> str:
    if not re.search(r"#### -?[0-9.,]*[0-9][0-9.,]*$", value.rstrip()):
        raise ValueError("its end must be `#### N` with a number")
    return value.rstrip()


def _labels(value: list[int]) -> list[int]:
    if set(value) != {0, 1}:
        raise ValueError("labels are 0 or 1, and at least one of each is needed")
    return value


Text = Annotated[str, AfterValidator(_text)]


class Row(BaseModel):
    """Types are strict: `"2"` is no number, `2` no text. Fields that a schema does not name are left out.

    Attributes:
        generated: the answer is a text that must pass the task's own filters.
    """

    generated: ClassVar[bool] = False

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class MmluRow(Row):
    """A question with four choices; `answer` is the place of the right one, counted from 0."""

    question: Text
    subject: str
    choices: Annotated[list[Text], Field(min_length=4, max_length=4)]
    answer: Annotated[int, Field(ge=0, le=3)]


class Targets(Row):
    """Answers to one question, each with 1 (true) or 0 (false)."""

    choices: list[Text]
    labels: Annotated[list[int], AfterValidator(_labels)]


def _one_label_each(value: Targets) -> Targets:
    if len(value.choices) != len(value.labels):
        raise ValueError(f"{len(value.choices)} choices have {len(value.labels)} labels")
    return value


LabelledTargets = Annotated[Targets, AfterValidator(_one_label_each)]


class TruthfulQaRow(Row):
    """A question with true and false answers; lm-eval scores `mc2_targets`."""

    question: Text
    mc1_targets: LabelledTargets
    mc2_targets: LabelledTargets


class Gsm8kRow(Row):
    """A problem and its worked solution, which ends in `#### N`.

    Blanks at the end of the solution are taken off, as lm-eval's filter takes them off a generated number.
    """

    generated: ClassVar[bool] = True

    question: Text
    answer: Annotated[str, AfterValidator(_solution)]


SCHEMAS: dict[str, type[Row]] = {"mmlu": MmluRow, "truthfulqa_mc2": TruthfulQaRow, "gsm8k": Gsm8kRow}
"""By the name that a task's file gives as `schema`."""
