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

    return float(accuracy_score(*_cells(), sample_weight=_weights(counts)))


def mcc(counts: Confusion, *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Matthews correlation coefficient with the percentile interval of a bootstrap over features.

    Drawing n features with replacement draws the four counts from a multinomial, which is what is done. As in
    scikit-learn, the coefficient is 0 where a row or a column of the table is empty.
    """
    import numpy as np
    from sklearn.metrics import matthews_corrcoef

    value = float(matthews_corrcoef(*_cells(), sample_weight=_weights(counts)))
    weights = np.array(_weights(counts), dtype=float)
    draws = np.random.default_rng(seed).multinomial(
        int(weights.sum()), weights / weights.sum(), size=resamples
    )
    found = coefficients(draws)
    return Interval(
        value=value,
        stderr=float(found.std(ddof=1)),
        low=float(np.quantile(found, 0.025)),
        high=float(np.quantile(found, 0.975)),
    )


def coefficients(counts_Rx4: NDArray[Any]) -> NDArray[np.float64]:
    """Matthews correlation by row of tp, tn, fp, fn: (R, 4) -> (R,)."""
    import numpy as np

    tp, tn, fp, fn = counts_Rx4.astype(float).T
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    found: NDArray[np.float64] = np.where(
        margins > 0, (tp * tn - fp * fn) / np.sqrt(np.maximum(margins, 1)), 0
    )
    return found


def _cells() -> tuple[list[bool], list[bool]]:
    """Truth and prediction of the four cells, in the order of `_weights`."""
    return [True, False, False, True], [True, False, True, False]


def _weights(counts: Confusion) -> list[int]:
    return [counts.tp, counts.tn, counts.fp, counts.fn]
