"""Single items of a run: how many each arm answers better and worse than the base, and some in full."""

from __future__ import annotations

from harness.core.results import Record

SCHEMA_VERSION = 1


class Answered(Record):
    """What an arm made of an item.

    Attributes:
        score: the measure's value, in its own unit.
        text: what the arm wrote; empty where it chose among options.
        option: place of the option that it finds the most likely; None where it wrote.
        values: of each option: log-probability in nats, or the reward of an answer of a test pair.
    """

    score: float
    text: str = ""
    option: int | None = None
    values: tuple[float, ...] = ()


class Item(Record):
    """An item with its texts, long ones cut.

    Attributes:
        name: subject and number in its file.
        question, options: as a person reads them; no options where an answer is written.
        correct: places of the right options.
        target: the right answer where it is written; empty otherwise.
        answers: by arm.
    """

    name: str
    question: str
    options: tuple[str, ...]
    correct: tuple[int, ...]
    target: str
    answers: dict[str, Answered]


class Changes(Record):
    """Items on which an arm is better than the base, worse, and equal."""

    better: int
    worse: int
    same: int


class MeasureItems(Record):
    """The items of one measure.

    Attributes:
        measure: its name, as in `harness.core.measures`.
        items: their number.
        changes: by arm, against the base.
        shown: those on which an arm differs most from the base come first; empty where the logs hold no
            texts, and for a second measure of the same items.
    """

    measure: str
    items: int
    changes: dict[str, Changes]
    shown: tuple[Item, ...]


class ItemsResult(Record):
    """The items of a run.

    Attributes:
        most: so many are shown of a measure.
        parts: in the order of Table 1's columns.
    """

    schema_version: int = SCHEMA_VERSION
    most: int
    parts: tuple[MeasureItems, ...]
