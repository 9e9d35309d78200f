"""Classifications against labels: the paper's Table 6, and coefficients against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from harness.classification.validation import accuracy, coefficients, confusion, mcc
from harness.core.errors import DataError
from harness.findings.classification import Confusion
from harness.paper.printed import read_printed

ALIGNMENT = Confusion(tp=27, tn=227, fp=22, fn=24)
FORMATTING = Confusion(tp=69, tn=201, fp=5, fn=25)


@pytest.mark.parametrize(
    ("counts", "right", "value"), [(ALIGNMENT, 0.847, 0.448), (FORMATTING, 0.900, 0.764)]
)
def test_the_papers_table_6(counts: Confusion, right: float, value: float) -> None:
    """Its accuracies and coefficients follow from its own counts of 300 labels."""
    found = mcc(counts, seed=0)
    assert accuracy(counts) == pytest.approx(right, abs=5e-4)
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.low < value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.stderr, rel=0.1)


def test_the_printed_table_holds_the_same_counts() -> None:
    for row, counts in zip(read_printed().table6, (ALIGNMENT, FORMATTING), strict=True):
        assert Confusion(tp=row.tp, tn=row.tn, fp=row.fp, fn=row.fn) == counts
        assert accuracy(counts) == pytest.approx(row.accuracy, abs=5e-4)


def test_coefficients_are_scikit_learns() -> None:
    draws = np.random.default_rng(1).integers(0, 6, size=(60, 4))
    for (tp, tn, fp, fn), found in zip(draws, coefficients(draws), strict=True):
        truth = [True] * tp + [False] * tn + [False] * fp + [True] * fn
        said = [True] * tp + [False] * tn + [True] * fp + [False] * fn
        if truth:
            assert found == pytest.approx(matthews_corrcoef(truth, said))


def test_the_bootstrap_draws_features() -> None:
    """Drawing the four counts from a multinomial is drawing features with replacement."""
    counts = Confusion(tp=6, tn=20, fp=3, fn=4)
    cells = np.repeat(np.arange(4), [6, 20, 3, 4])
    drawn = np.random.default_rng(2).choice(cells, size=(20_000, cells.size))
    plain = coefficients(np.stack([(drawn == cell).sum(1) for cell in range(4)], axis=1))
    found = mcc(counts, seed=3, resamples=20_000)
    assert found.stderr == pytest.approx(plain.std(ddof=1), rel=0.03)
    assert [found.low, found.high] == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)


def test_confusion_counts_what_has_both() -> None:
    truth = {1: True, 2: False, 3: True, 4: False, 9: True}
    said = {1: True, 2: True, 3: False, 4: False, 5: True}
    assert confusion(truth, said) == Confusion(tp=1, tn=1, fp=1, fn=1)
    with pytest.raises(DataError, match="nothing can be validated"):
        confusion({1: True}, {2: True})
