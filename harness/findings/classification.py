"""Features by category, from their explanations."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record


class Confusion(Record):
    """Counts of a yes-or-no classification against labels; positive is: belongs to the category."""

    tp: int
    tn: int
    fp: int
    fn: int


class Validated(Record):
    """A classifier against labels, for one category.

    Attributes:
        text: what it saw of each explanation, `whole` or `without its lead-in`.
        mcc: Matthews correlation coefficient; its interval is a bootstrap over features.
    """

    category: str
    classifier: str
    text: str
    confusion: Confusion
    accuracy: float
    mcc: Interval


class ClassificationResult(Record):
    """Appendix E: features by category, from their explanations.

    Attributes:
        rows: one a category, classifier and text that could be validated; empty without labels.
        explained: features with an explanation; positives: how many of them are in each category, by the
            last classifier.
        unexplained: features whose explanation has no text.
        repeated: further explanations of a feature, which are left out.
        unanswered: features that an endpoint gave no allowed answer for, by category.
        labels: where the labels are from.
        classifier: its name, where nothing could be validated either.
    """

    kind: Literal["classification"] = "classification"
    rows: tuple[Validated, ...]
    explained: int
    unexplained: int
    repeated: int
    positives: dict[str, int]
    unanswered: dict[str, tuple[int, ...]]
    labels: str
    resamples: int
    seed: int
    classifier: str = ""
