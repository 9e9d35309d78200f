"""Explanations of features (Neuronpedia's export, or the harness' own form) and labels by hand."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from harness.core.documents import refused
from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.json_lines import data_of, parsed
from harness.findings.features import CATEGORIES, labelled

Row = TypeVar("Row")
REMEDY = "correct that row"
Labels = dict[str, dict[int, bool]]
"""By category: feature -> whether it belongs to it. A feature that nobody labelled is not there."""


class Explanations(NamedTuple):
    """What is said of the features.

    Attributes:
        texts: by feature id, in ascending order; none is empty.
        empty: features whose explanation has no text.
        repeated: rows for a feature that already had one; the first of each counts.
    """

    texts: dict[int, str]
    empty: int
    repeated: int


def read_explanations(path: Path, explainer: str = "") -> Explanations:
    """Read a JSON array or JSON lines, plain or gzipped.

    A row has `description`, and `index` (Neuronpedia's export, a number or its digits) or `feature`. The
    export may explain a feature several times.

    Args:
        explainer: only rows whose `explanationModelName` or `typeName` is this; all where empty.

    Raises:
        MissingInputError: the file is not there.
        DamagedFileError: it is not like that, or no row has a text.
    """
    texts: dict[int, str] = {}
    empty: set[int] = set()
    repeated = 0

    def explained(row: Any) -> tuple[int, str, bool]:
        feature = int(row["index"] if "index" in row else row["feature"])
        if feature < 0:
            raise ValueError(f"feature {feature} is negative")
        wanted = not explainer or explainer in (row.get("explanationModelName"), row.get("typeName"))
        return feature, str(row["description"] or "").strip(), wanted

    for feature, text, wanted in _rows(path, "the explanations", explained):
        if not wanted:
            continue
        if feature in texts:
            repeated += 1
        elif text:
            texts[feature] = text
            empty.discard(feature)
        else:
            empty.add(feature)
    if not texts:
        raise DamagedFileError(
            "no feature has an explanation" + (f" by {explainer}" if explainer else ""),
            value=path,
            remedy="give Neuronpedia's export, or JSON lines with `feature` and `description`",
        )
    return Explanations(dict(sorted(texts.items())), len(empty), repeated)


def read_labels(path: Path) -> Labels:
    """Labels by hand, one row a feature.

    A row has `feature` and either `label` / `labels` (`alignment`, `style`, `other`: says yes or no for both
    categories) or `alignment` and `style`, true or false, of which one may be left out.

    Raises:
        MissingInputError, DamagedFileError: no such file, or a row that is not like that.
    """
    found: Labels = {name: {} for name in CATEGORIES}

    def add(row: Any) -> None:
        feature = int(row["feature"])
        for name, belongs in _labels_of(row).items():
            if found[name].setdefault(feature, belongs) != belongs:
                raise ValueError(f"feature {feature} is labelled twice, differently")

    for _ in _rows(path, "the labels", add):
        pass
    return found


def _labels_of(row: Mapping[str, Any]) -> dict[str, bool]:
    if "label" in row or "labels" in row:
        return {name: name in labelled(row) for name in CATEGORIES}
    given = {name: row[name] for name in CATEGORIES if name in row}
    if not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError(f"needs label, labels, or true or false for one of {', '.join(CATEGORIES)}")
    return given


def _rows(path: Path, what: str, parse: Callable[[Any], Row]) -> Iterator[Row]:
    """Rows counted from 1 (by line, where the file has lines); blank lines are passed over."""
    if not path.is_file():
        raise MissingInputError(f"{what} are not there", value=path, remedy="correct the path")
    numbered: list[tuple[int, Any]]
    with refused(what, path, REMEDY):
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        if data.lstrip().startswith(b"["):
            numbered = list(enumerate(data_of(data), start=1))
        else:
            numbered = [(n, line) for n, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    yield from parsed(numbered, parse, path, what=what, remedy=REMEDY, unit="row")
