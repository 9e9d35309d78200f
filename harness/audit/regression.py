"""Least squares of implicit-reward gaps on differences of attributes, with a bootstrap over pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError
from harness.core.results import Interval
from harness.findings.audit import Collinearity, Regression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]

Columns = Mapping[str, Sequence[float]]


def regression(gaps: Sequence[float], differences: Columns, *, resamples: int, seed: int) -> Regression:
    """gap = sum of coefficient x difference, without a constant: swapping a pair's answers turns both signs.

    Args:
        gaps: of N pairs, (arm - base) of the chosen answer minus that of the rejected one, nats a token.
        differences: attribute -> of N pairs, chosen minus rejected.
        resamples: of the bootstrap, which draws whole pairs.

    Raises:
        DataError: fewer pairs than attributes, an attribute that never differs, attributes that are linearly
            dependent, or a value that is not finite.
    """
    import numpy as np

    y_N, x_NxA = _arrays(gaps, differences)
    spread_A = _rms(x_NxA)
    found_A: Numbers = np.linalg.solve(x_NxA.T @ x_NxA, x_NxA.T @ y_N)
    drawn_RxA = _bootstrap(y_N, x_NxA, resamples, seed)
    residual, whole = float(((y_N - x_NxA @ found_A) ** 2).sum()), float((y_N**2).sum())
    return Regression(
        coefficients=_intervals(list(differences), found_A, drawn_RxA),
        shares=_intervals(list(differences), _shares(found_A, spread_A), _shares(drawn_RxA, spread_A)),
        r2=1 - residual / whole if whole else 0.0,
    )


def collinearity(differences: Columns) -> Collinearity:
    """How far attributes go together in N pairs.

    Raises:
        DataError: as `regression`.
    """
    import numpy as np

    names = list(differences)
    _, x_NxA = _arrays([0.0] * len(next(iter(differences.values()), [])), differences)
    products_AxA = x_NxA.T @ x_NxA
    sizes_A = np.sqrt(np.diag(products_AxA))
    together_AxA = products_AxA / np.outer(sizes_A, sizes_A)
    inflation_A = np.diag(np.linalg.inv(together_AxA))
    return Collinearity(
        deviations={name: float(sizes_A[i] / len(x_NxA) ** 0.5) for i, name in enumerate(names)},
        correlations={
            name: {other: float(together_AxA[i, j]) for j, other in enumerate(names)}
            for i, name in enumerate(names)
        },
        inflation={name: float(inflation_A[i]) for i, name in enumerate(names)},
    )


def _arrays(gaps: Sequence[float], differences: Columns) -> tuple[Numbers, Numbers]:
    import numpy as np

    y_N = np.asarray(gaps, dtype=np.float64)
    x_NxA = np.column_stack([np.asarray(column, dtype=np.float64) for column in differences.values()])
    if not (np.isfinite(y_N).all() and np.isfinite(x_NxA).all()):
        raise DataError(
            "a value of the audit is not finite", value="NaN or infinity", remedy="evaluate again"
        )
    never = [name for name, column in zip(differences, x_NxA.T, strict=True) if not column.any()]
    if never:
        raise DataError(
            "an attribute is the same in both answers of every pair",
            value=", ".join(never),
            remedy="leave it out of the study's attributes",
        )
    if len(y_N) <= x_NxA.shape[1] or np.linalg.matrix_rank(x_NxA) < x_NxA.shape[1]:
        raise DataError(
            "the attributes cannot be told apart: they are linearly dependent, or the pairs are too few",
            value=f"{len(y_N)} pairs, attributes {', '.join(differences)}",
            remedy="give more pairs, or leave one of the attributes out",
        )
    return y_N, x_NxA


def _bootstrap(y_N: Numbers, x_NxA: Numbers, resamples: int, seed: int) -> Numbers:
    """Coefficients of resampled pairs, RxA, from resampled sums of products."""
    import numpy as np

    n, count = x_NxA.shape
    products_NxAA = (x_NxA[:, :, None] * x_NxA[:, None, :]).reshape(n, -1)
    with_y_NxA = x_NxA * y_N[:, None]
    weights_RxN = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    left_RxAxA = (weights_RxN @ products_NxAA).reshape(-1, count, count)
    right_RxAx1 = (weights_RxN @ with_y_NxA)[:, :, None]
    try:
        solved: Numbers = np.linalg.solve(left_RxAxA, right_RxAx1)[:, :, 0]
    except np.linalg.LinAlgError as error:
        raise DataError(
            "in a resample of the pairs an attribute never differs: it is too rare for an interval",
            value=f"{n} pairs",
            remedy="leave rare attributes out, or give more pairs",
        ) from error
    return solved


def _rms(x_NxA: Numbers) -> Numbers:
    import numpy as np

    found: Numbers = np.sqrt(np.square(x_NxA).mean(axis=0), dtype=np.float64)
    return found


def _shares(coefficients: Numbers, spread_A: Numbers) -> Numbers:
    parts = (coefficients * spread_A) ** 2
    whole = parts.sum(axis=-1, keepdims=True)
    shares: Numbers = parts / (whole + (whole == 0))
    return shares


def _intervals(names: Sequence[str], found_A: Numbers, drawn_RxA: Numbers) -> dict[str, Interval]:
    import numpy as np

    low_A, high_A = np.quantile(drawn_RxA, (0.025, 0.975), axis=0)
    error_A = drawn_RxA.std(axis=0, ddof=1)
    return {
        name: Interval(
            value=float(found_A[i]), stderr=float(error_A[i]), low=float(low_A[i]), high=float(high_A[i])
        )
        for i, name in enumerate(names)
    }
