"""What is known of the SAE's features: a description and categories each, from JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from harness.core.errors import DamagedFileError

CATEGORIES = ("alignment", "style")
"""The paper's two; a feature may be in both, in one or in neither."""


class Feature(NamedTuple):
    """One feature of the dictionary.

    Attributes:
        description: an explanation in words; empty where nobody wrote one.
        categories: which of `CATEGORIES` it belongs to.
    """

    description: str
    categories: tuple[str, ...]


def read_features(path: Path) -> dict[int, Feature]:
    """Descriptions and categories by feature id.

    A line has `feature`, `description` and either `label` (`alignment`, `style` or `other`) or `labels`, a
    list of them.

    Raises:
        DamagedFileError: a line that is not like that, or two lines for one feature.
    """
    found: dict[int, Feature] = {}
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else (), start=1):
        try:
            row = json.loads(line)
            labels = row["labels"] if "labels" in row else [row["label"]]
            unknown = set(labels) - {*CATEGORIES, "other"}
            if unknown:
                raise ValueError(f"label {unknown.pop()!r}; known: {', '.join(CATEGORIES)}, other")
            feature = int(row["feature"])
            if feature in found or feature < 0:
                raise ValueError(f"feature {feature} stands twice or is negative")
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(
                f"line {number} of the feature descriptions cannot be read ({type(error).__name__}: {error})",
                value=path,
                remedy="correct that line",
            ) from error
        wanted = tuple(name for name in CATEGORIES if name in labels)
        found[feature] = Feature(str(row.get("description", "")), wanted)
    return found
