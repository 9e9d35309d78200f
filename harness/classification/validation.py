"""How well a classifier agrees with labels: accuracy, confusion, Matthews correlation with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError
from harness.core.results import Interval
from harness.findings.classification import Confusion, Validated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 10_000


def validated(
    category: str,
    classifier: str,
    truth: Mapping[int, bool],
    predicted: Mapping[int, bool],
    *,
    seed: int,
    text: str = "whole",
    resamples: int = RESAMPLES,
) -> Validated:
    """A row of the table of validation.

    Raises:
        DataError: no feature has both a label and a prediction.
    """
    counts = confusion(truth, predicted)
    return Validated(
        category=category,
        classifier=classifier,
        text=text,
        confusion=counts,
        accuracy=accuracy(counts),
        mcc=mcc(counts, seed=seed, resamples=resamples),
    )


def confusion(truth: Mapping[int, bool], predicted: Mapping[int, bool]) -> Confusion:
    """Counts over the features that have both.

    Raises:
        DataError: no feature has both.
    """
    from sklearn.metrics import confusion_matrix

    both = sorted(truth.keys() & predicted.keys())
    if not both:
        raise DataError(
            "no labelled feature was classified, so nothing can be validated",
            value=f"{len(truth)} labels, {len(predicted)} classified",
            remedy="label features that have an explanation",
        )
    matrix = confusion_matrix([truth[f] for f in both], [predicted[f] for f in both], labels=[False, True])
    (tn, fp), (fn, tp) = matrix.tolist()
    return Confusion(tp=tp, tn=tn, fp=fp, fn=fn)


def accuracy(counts: Confusion) -> float:
    """Share of agreement."""
    from sklearn.metrics import accuracy_score

    truth, predicted, numbers = _cells(counts)
    return float(accuracy_score(truth, predicted, sample_weight=numbers))


def mcc(counts: Confusion, *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Matthews correlation coefficient with the percentile interval of a bootstrap over features.

    Drawing n features with replacement draws the four counts from a multinomial, which is what is done. As in
    scikit-learn, the coefficient is 0 where a row or a column of the table is empty.
    """
    import numpy as np
    from sklearn.metrics import matthews_corrcoef

    truth, predicted, numbers = _cells(counts)
    value = float(matthews_corrcoef(truth, predicted, sample_weight=numbers))
    shares = np.array(numbers, dtype=float) / sum(numbers)
    found = coefficients(np.random.default_rng(seed).multinomial(sum(numbers), shares, size=resamples))
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Interval(value=value, stderr=float(found.std(ddof=1)), low=low, high=high)


def coefficients(counts_Rx4: NDArray[Any]) -> NDArray[np.float64]:
    """Matthews correlation by row of tp, tn, fp, fn: (R, 4) -> (R,)."""
    import numpy as np

    tp, tn, fp, fn = counts_Rx4.astype(float).T
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    found: NDArray[np.float64] = np.where(
        margins > 0, (tp * tn - fp * fn) / np.sqrt(np.maximum(margins, 1)), 0
    )
    return found


def _cells(counts: Confusion) -> tuple[list[bool], list[bool], list[int]]:
    """Truth, prediction and number of the four cells."""
    numbers = [counts.tp, counts.tn, counts.fp, counts.fn]
    return [True, False, False, True], [True, False, True, False], numbers
