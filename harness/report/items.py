"""From the sample logs of all arms to the items that a reader wants to see: those that changed, first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.json_lines import rows
from harness.core.measures import BASE, PENALISED_LOSS, Measure, logged
from harness.findings.items import Answered, Changes, Item, ItemsResult, MeasureItems

MOST = 20
"""Items that are shown of a measure: the page stays one file that a browser opens at once."""
LONGEST = {"question": 900, "answer": 500}
"""Characters of a text; what is cut is counted."""
SMALLEST = 1e-9
Rows = dict[str, dict[str, Any]]
PAIRS = "preference"


def items_of(logs: Mapping[str, Path], columns: Iterable[Measure], remedy: str) -> ItemsResult:
    """Compare the arms item by item.

    Args:
        logs: folder of the sample logs by arm, the base among them.
        columns: Table 1's.
        remedy: for a log that cannot be read.

    Raises:
        MissingInputError, DamagedFileError: a log is missing or broken.
    """
    parts: list[MeasureItems] = []
    read: dict[str, dict[str, Rows]] = {}
    for column in columns:
        task, _, metric = column.name.partition(".")
        if column.name == PENALISED_LOSS or BASE not in logs:
            continue
        first = task not in read
        if first:
            read[task] = {arm: _read(folder / f"{task}.jsonl", remedy) for arm, folder in logs.items()}
        parts.append(_part(column, metric, read[task], MOST if first else 0))
    return ItemsResult(most=MOST, parts=tuple(parts))


def _read(path: Path, remedy: str) -> Rows:
    def keyed(row: Any) -> tuple[str, dict[str, Any]]:
        return f"{row['task']} {row['doc_id']}", row

    return dict(rows(path, keyed, what="the sample log", remedy=remedy))


def _part(column: Measure, metric: str, by_arm: Mapping[str, Rows], most: int) -> MeasureItems:
    sign = -1 if column.lower_is_better else 1
    values = {
        arm: {key: logged(row["metrics"], metric) for key, row in found.items()}
        for arm, found in by_arm.items()
    }
    gains = {
        arm: {key: sign * (value - values[BASE][key]) for key, value in found.items() if key in values[BASE]}
        for arm, found in values.items()
        if arm != BASE
    }
    keys = list(values[BASE])
    largest = {key: max((abs(found.get(key, 0.0)) for found in gains.values()), default=0.0) for key in keys}
    chosen = sorted(keys, key=lambda key: -largest[key])[:most]
    told = [key for key in chosen if "question" in by_arm[BASE][key]]
    return MeasureItems(
        measure=column.name,
        items=len(keys),
        changes={arm: _changes(found.values()) for arm, found in gains.items()},
        shown=tuple(_item(key, by_arm, values) for key in told),
    )


def _changes(gains: Iterable[float]) -> Changes:
    all_of = list(gains)
    better, worse = sum(one > SMALLEST for one in all_of), sum(one < -SMALLEST for one in all_of)
    return Changes(better=better, worse=worse, same=len(all_of) - better - worse)


def _item(key: str, by_arm: Mapping[str, Rows], values: Mapping[str, Mapping[str, float]]) -> Item:
    row = by_arm[BASE][key]
    written = "options" not in row
    target = row.get("target", "") if written else ""
    return Item(
        name=key.partition("_")[2] if key.startswith("mmlu_") else key,
        question=cut(row["question"], "question"),
        options=tuple(cut(one, "answer") for one in row.get("options", ())),
        correct=tuple(row.get("correct", ())),
        target=cut(target if isinstance(target, str) else json.dumps(target), "answer"),
        answers={arm: _answer(found[key], values[arm][key]) for arm, found in by_arm.items() if key in found},
    )


def _answer(row: Mapping[str, Any], score: float) -> Answered:
    if "options" not in row:
        return Answered(score=score, text=cut(str(row.get("generated", "")), "answer"))
    values = _of_options(row)
    return Answered(score=score, option=_largest(values), values=values)


def _of_options(row: Mapping[str, Any]) -> tuple[float, ...]:
    if row["task"] == PAIRS:
        return tuple(round(float(row["metrics"][f"{name}_reward"]), 6) for name in ("chosen", "rejected"))
    answers: list[list[float]] = next(iter(row["responses"].values()), [])
    return tuple(round(float(one[0]), 6) for one in answers)


def _largest(values: Sequence[float]) -> int | None:
    return max(range(len(values)), key=values.__getitem__) if values else None


def cut(text: str, kind: str) -> str:
    """A text of at most `LONGEST[kind]` characters; what is left out is counted."""
    most, whole = LONGEST[kind], text.strip()
    return (
        whole if len(whole) <= most else f"{whole[:most].rstrip()} … ({len(whole) - most:,} more characters)"
    )
