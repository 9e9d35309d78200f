"""The regression of the audit: exact answers by hand, intervals that cover, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from harness.audit.regression import collinearity, regression
from harness.core.errors import DataError

STYLE, TRUTH = [1.0, -1.0, 0.0, 2.0], [0.0, 1.0, 1.0, 0.0]
GAPS = [2 * style - truth for style, truth in zip(STYLE, TRUTH, strict=True)]


def drawn(seed: int, pairs: int = 400) -> tuple[list[float], dict[str, list[float]]]:
    """Gaps of 0.5 a unit of `a` and -0.3 of `b`, with noise that grows with `a`."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=pairs), draw.integers(-1, 2, size=pairs).astype(float)
    gaps = 0.5 * a - 0.3 * b + draw.normal(size=pairs) * (0.5 + abs(a))
    return gaps.tolist(), {"a": a.tolist(), "b": b.tolist()}


def test_an_exact_answer_by_hand() -> None:
    """gap = 2 style - truth. Mean squares of the differences: 6/4 and 2/4; so the shares are 4 x 1.5 = 6 and
    1 x 0.5 of 6.5. Nothing is left over, in no resample either.
    """
    found = regression(GAPS * 10, {"style": STYLE * 10, "truth": TRUTH * 10}, resamples=50, seed=1)
    assert found.coefficients["style"].value == pytest.approx(2.0)
    assert found.coefficients["truth"].value == pytest.approx(-1.0)
    assert found.shares["style"].value == pytest.approx(6 / 6.5)
    assert found.shares["truth"].value == pytest.approx(0.5 / 6.5)
    assert found.r2 == pytest.approx(1.0)
    for one in (*found.coefficients.values(), *found.shares.values()):
        assert (one.low, one.high, one.stderr) == pytest.approx((one.value, one.value, 0.0), abs=1e-9)


def test_there_is_no_constant() -> None:
    """x = 1, 2, 3 and gaps of 2: through 0 the slope is 12 / 14 and R² is 12² / (14 x 12)."""
    found = regression([2.0] * 3, {"x": [1.0, 2.0, 3.0]}, resamples=20, seed=1)
    assert found.coefficients["x"].value == pytest.approx(12 / 14)
    assert found.r2 == pytest.approx(12 / 14)


def test_the_order_within_a_pair_means_nothing() -> None:
    gaps, differences = drawn(1)
    signs = [1 if place % 3 else -1 for place in range(len(gaps))]
    turned = {k: [sign * x for sign, x in zip(signs, v, strict=True)] for k, v in differences.items()}
    turned_gaps = [sign * gap for sign, gap in zip(signs, gaps, strict=True)]
    options = {"resamples": 100, "seed": 3}
    assert regression(turned_gaps, turned, **options) == regression(gaps, differences, **options)


def test_a_unit_changes_a_coefficient_and_no_share() -> None:
    gaps, differences = drawn(2)
    per_ten = differences | {"a": [x * 10 for x in differences["a"]]}
    one, other = (regression(gaps, found, resamples=100, seed=3) for found in (differences, per_ten))
    assert other.coefficients["a"].value == pytest.approx(one.coefficients["a"].value / 10)
    assert other.shares["a"].value == pytest.approx(one.shares["a"].value)
    assert other.r2 == pytest.approx(one.r2)


def test_the_intervals_cover_as_often_as_they_say() -> None:
    """40 draws by two coefficients of which 95 % should be covered: 76 of 80, four standard errors are 8."""
    covered = 0
    for seed in range(40):
        found = regression(*drawn(seed, 300), resamples=300, seed=seed).coefficients
        covered += sum(found[k].low <= true <= found[k].high for k, true in (("a", 0.5), ("b", -0.3)))
    assert covered >= 68


def test_the_errors_are_those_of_unequal_spread() -> None:
    """The bootstrap over pairs agrees with White's errors (HC0), which allow noise that grows with `a`."""
    from statsmodels.regression.linear_model import OLS

    gaps, differences = drawn(5, 1000)
    found = regression(gaps, differences, resamples=3000, seed=1)
    fitted = OLS(np.array(gaps), np.column_stack(list(differences.values()))).fit(cov_type="HC0")
    for place, name in enumerate(differences):
        assert found.coefficients[name].value == pytest.approx(fitted.params[place])
        assert found.coefficients[name].stderr == pytest.approx(fitted.bse[place], rel=0.08)
    assert found.r2 == pytest.approx(fitted.rsquared)


def test_an_arm_that_did_not_move_explains_nothing() -> None:
    found = regression([0.0] * 40, {"style": STYLE * 10, "truth": TRUTH * 10}, resamples=20, seed=1)
    assert found.r2 == 0.0
    assert [one.value for one in (*found.coefficients.values(), *found.shares.values())] == [0.0] * 4


def test_the_same_seed_gives_the_same_intervals() -> None:
    gaps, differences = drawn(1)
    one, same, other = (regression(gaps, differences, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.coefficients["a"].value == other.coefficients["a"].value
    assert one.coefficients["a"].low != other.coefficients["a"].low


@pytest.mark.parametrize(
    ("gaps", "differences", "said"),
    [
        ([1.0, float("nan"), 1.0], {"a": [1.0, 2.0, 3.0]}, "not finite"),
        ([1.0, 2.0, 1.0], {"a": [1.0, float("inf"), 3.0]}, "not finite"),
        ([1.0, 2.0, 1.0], {"a": [1.0, 2.0, 3.0], "layout": [0.0, 0.0, 0.0]}, "same in both answers"),
        ([1.0, 2.0, 1.0], {"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]}, "linearly dependent"),
        ([1.0, 2.0], {"a": [1.0, 2.0], "b": [2.0, 1.0]}, "the pairs are too few"),
    ],
    ids=["NaN gap", "infinite difference", "never differs", "dependent", "too few"],
)
def test_what_cannot_be_told_is_refused(
    gaps: list[float], differences: dict[str, list[float]], said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        regression(gaps, differences, resamples=20, seed=1)
    assert caught.value.remedy


def test_the_attribute_that_never_differs_is_named() -> None:
    with pytest.raises(DataError) as caught:
        regression([1.0, 2.0, 1.0], {"a": [1.0, 2.0, 3.0], "layout": [0.0] * 3}, resamples=20, seed=1)
    assert caught.value.value == "layout"


def test_an_attribute_too_rare_for_a_bootstrap_is_refused() -> None:
    """It differs in one of 50 pairs, which a resample leaves out with a chance of 0.98^50 = 0.36."""
    rare = {"a": [1.0, -1.0] * 25, "rare": [1.0] + [0.0] * 49}
    with pytest.raises(DataError, match="too rare for an interval"):
        regression([0.5, 0.2] * 25, rare, resamples=200, seed=1)


def test_collinearity_by_hand() -> None:
    """a . b = 1, |a|² = |b|² = 2: they go together by 1/2, which widens a variance by 1 / (1 - 1/4)."""
    found = collinearity({"a": [1.0, 1.0, 0.0, 0.0], "b": [1.0, 0.0, 1.0, 0.0]})
    assert found.deviations == pytest.approx({"a": 0.5**0.5, "b": 0.5**0.5})
    assert found.correlations["a"] == pytest.approx({"a": 1.0, "b": 0.5})
    assert found.correlations["b"] == pytest.approx({"a": 0.5, "b": 1.0})
    assert found.inflation == pytest.approx({"a": 4 / 3, "b": 4 / 3})


def test_collinearity_against_statsmodels() -> None:
    """About zero, not about the mean: without its standardising, which would take a constant for granted."""
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    draw = np.random.default_rng(1)
    x_NxA = draw.normal(size=(200, 3))
    x_NxA[:, 2] += x_NxA[:, 0] - 2 * x_NxA[:, 1]
    found = collinearity(dict(zip("abc", x_NxA.T.tolist(), strict=True)))
    for place, name in enumerate("abc"):
        assert found.inflation[name] == pytest.approx(
            variance_inflation_factor(x_NxA, place, standardize=False)
        )


def test_an_attribute_that_the_chosen_answer_always_has_more_of_is_about_zero_too() -> None:
    """b is 1 in every pair, a is 1, 1, 1, 0: together by 3 / (sqrt 3 sqrt 4), wider by 1 / (1 - 3/4).

    A measure about the mean would call them unrelated, since b has no spread about its mean.
    """
    found = collinearity({"a": [1.0, 1.0, 1.0, 0.0], "b": [1.0] * 4})
    assert found.correlations["a"]["b"] == pytest.approx(0.75**0.5)
    assert found.inflation == pytest.approx({"a": 4.0, "b": 4.0})


def test_one_attribute_is_alone() -> None:
    found = collinearity({"a": [3.0, -4.0]})
    assert found.inflation == {"a": 1.0}
    assert found.deviations == pytest.approx({"a": 12.5**0.5})
