"""From the files of a run: each pair's gap of mean log-probabilities, and how its answers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.audit.attributes import COUNTED
from harness.core.errors import DataError
from harness.core.json_lines import rows
from harness.core.text import text_hash

AGAIN = "run `evaluate` again"


class Scored(NamedTuple):
    """A pair of the sample log: the digest of its texts, and (chosen - rejected) mean log-probability."""

    key: str
    gap: float


def scored_pairs(path: Path, beta: float) -> list[Scored]:
    """The pairs of a sample log, `samples/preference.jsonl`, as `evaluate` scored them.

    Args:
        beta: of the loss, by which the log's rewards are scaled.

    Raises:
        MissingInputError, DamagedFileError: no such log, or another layout.
    """

    def scored(row: Any) -> Scored:
        metrics = row["metrics"]
        gap = float(metrics["chosen_reward"]) - float(metrics["rejected_reward"])
        return Scored(str(row["doc_hash"]), gap / beta)

    return list(rows(path, scored, what="the pairs' scores", remedy=AGAIN))


def attribute_differences(
    path: Path, keys: Sequence[str], *, columns: Sequence[str], counted: Sequence[str]
) -> dict[str, list[float]]:
    """Attribute -> (chosen - rejected) of each scored pair, in the order of the keys.

    Args:
        path: the file of the pairs.
        columns: attributes that the rows give, as numbers NAME_chosen and NAME_rejected.
        counted: attributes that are counted in the answers' text.

    Raises:
        DataError: a row lacks a column, or a scored pair is not in the file.
    """
    found = dict(
        rows(
            path,
            lambda row: (_key(row), _of_row(row, columns, counted)),
            what="the preference pairs",
            remedy="take the attribute out of `columns`, or give rows that have NAME_chosen, NAME_rejected",
            refusal=DataError,
        )
    )
    if not found.keys() >= set(keys):
        raise DataError("a scored pair is not in the file of pairs", value=path, remedy=AGAIN)
    return {name: [found[key][name] for key in keys] for name in (*columns, *counted)}


def _key(row: Mapping[str, Any]) -> str:
    turns = (*row["prompt"], *row["chosen"], *row["rejected"])
    return text_hash(*(str(turn["content"]) for turn in turns))


def _of_row(row: Mapping[str, Any], columns: Sequence[str], counted: Sequence[str]) -> dict[str, float]:
    given = {name: float(row[f"{name}_chosen"]) - float(row[f"{name}_rejected"]) for name in columns}
    chosen, rejected = (str(row[side][0]["content"]) for side in ("chosen", "rejected"))
    return given | {name: COUNTED[name](chosen) - COUNTED[name](rejected) for name in counted}
