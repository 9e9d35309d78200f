"""What is known of the SAE's features: a description and categories for each, from JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.json_lines import rows

CATEGORIES = ("alignment", "style")
"""The paper's two; a feature may be in both, in one or in neither."""
KNOWN = (*CATEGORIES, "other")
"""What a label may be."""


class Feature(NamedTuple):
    """One feature of the dictionary.

    Attributes:
        description: an explanation in words; empty if there is none.
        categories: which of `CATEGORIES` it belongs to.
    """

    description: str
    categories: tuple[str, ...]


def read_features(path: Path) -> dict[int, Feature]:
    """Descriptions and categories by feature id.

    A line has `feature`, `description` and either `label` (`alignment`, `style` or `other`) or `labels`, a
    list of them.

    Raises:
        MissingInputError: there is no file.
        DamagedFileError: a line that is not like that, or two lines for one feature.
    """
    found: dict[int, Feature] = {}

    def add(row: Any) -> None:
        categories, feature = labelled(row), int(row["feature"])
        if feature in found or feature < 0:
            raise ValueError(f"feature {feature} stands twice or is negative")
        found[feature] = Feature(str(row.get("description", "")), categories)

    for _ in rows(path, add, what="the feature descriptions", remedy="correct that line"):
        pass
    return found


def labelled(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The categories that a row's `label` or `labels` name, in the order of `CATEGORIES`.

    Raises:
        ValueError: an unknown label.
        KeyError: neither key.
    """
    labels = row["labels"] if "labels" in row else [row["label"]]
    if unknown := set(labels) - set(KNOWN):
        raise ValueError(f"label {unknown.pop()!r}; known: {', '.join(KNOWN)}")
    return tuple(name for name in CATEGORIES if name in labels)
