"""Explanations of features (Neuronpedia's export, or the harness' own form) and labels by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.errors import DamagedFileError, MissingInputError
from harness.findings.features import CATEGORIES

KNOWN = {*CATEGORIES, "other"}
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
    for place, row in _rows(path):
        try:
            feature = int(row["index"] if "index" in row else row["feature"])
            text = str(row["description"] or "").strip()
            if feature < 0:
                raise ValueError(f"feature {feature} is negative")
            if explainer and explainer not in (row.get("explanationModelName"), row.get("typeName")):
                continue
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, place, error) from error
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
    for place, row in _rows(path):
        try:
            feature = int(row["feature"])
            for name, belongs in _labels_of(row).items():
                if found[name].setdefault(feature, belongs) != belongs:
                    raise ValueError(f"feature {feature} is labelled twice, differently")
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, place, error) from error
    return found


def _labels_of(row: Mapping[str, Any]) -> dict[str, bool]:
    if "label" in row or "labels" in row:
        names = row["labels"] if "labels" in row else [row["label"]]
        if unknown := set(names) - KNOWN:
            raise ValueError(f"label {unknown.pop()!r}; known: {', '.join(sorted(KNOWN))}")
        return {name: name in names for name in CATEGORIES}
    given = {name: row[name] for name in CATEGORIES if name in row}
    if not given or not all(isinstance(value, bool) for value in given.values()):
        raise ValueError(f"needs label, labels, or true or false for one of {', '.join(CATEGORIES)}")
    return given


def _rows(path: Path) -> list[tuple[int, Any]]:
    """Rows with their places, counted from 1 (lines, where the file has lines)."""
    if not path.is_file():
        raise MissingInputError("the file is not there", value=path, remedy="correct the path")
    place = 1
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        if text.lstrip().startswith("["):
            return list(enumerate(json.loads(text), start=1))
        rows = []
        for place, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                rows.append((place, json.loads(line)))
        return rows
    except (ValueError, OSError, EOFError, RecursionError) as error:
        raise _damaged(path, place, error) from error


def _damaged(path: Path, place: int, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        f"row {place} cannot be read ({type(error).__name__}: {error})", value=path, remedy="correct that row"
    )
