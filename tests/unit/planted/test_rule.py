"""The rules read cases worked by hand."""

from __future__ import annotations

import pytest
from planted_toys import ablation, composition, interval, regression

from harness.core.results import Interval
from harness.findings.audit import Regression
from harness.findings.reading import LABELS, composition_contrast, label
from harness.planted.rule import LEARNED, RULES, ablation_contrast, confusion, harms, learned, ordered


def test_composition_by_hand() -> None:
    """The paper's Table 2: (2.82 + 9.42 + 1.91 + 5.47 + 4.11 + 10.81) / 3 = 11.51 points, hence style."""
    paper = composition({"style": (0.0191, 0.0282, 0.0411), "alignment": (-0.0547, -0.0942, -0.1081)})
    contrast = composition_contrast(paper)
    assert contrast == pytest.approx(0.3454 / 3)
    assert label(contrast, RULES["composition"].margin) == "style-heavy"


def test_a_change_that_may_be_none_counts_as_none() -> None:
    """Intervals of +-0.2: 0.1 and -0.15 may be 0, 0.4 and 0.3 are not: (0.4 - 0.3) / 3."""
    found = composition({"style": (0.1, 0.4, 0.1), "alignment": (-0.15, -0.1, 0.3)}, half=0.2)
    assert composition_contrast(found) == pytest.approx(0.1 / 3)


@pytest.mark.parametrize(
    ("style", "alignment", "wanted"),
    [
        (interval(0.3, 0.1), interval(0.1, 0.05), 0.5),
        (interval(0.1, 0.05), interval(0.3, 0.1), -0.5),
        (interval(0.1, 0.2), interval(0.3, 0.1), -1.0),
        (interval(0.3, 0.1), interval(-0.1, 0.05), 1.0),
        (interval(0.1, 0.2), interval(0.1, 0.2), 0.0),
    ],
)
def test_ablation_by_hand(style: Interval, alignment: Interval, wanted: float) -> None:
    found = ablation(style, alignment)
    assert ablation_contrast(found) == pytest.approx(wanted)
    assert harms(found).keys() == {"style", "alignment"}
    assert harms(found)["style"].value == style.value


def test_the_margin_belongs_to_mixed() -> None:
    assert [label(c, 0.05) for c in (0.06, 0.05, 0.0, -0.05, -0.06)] == [
        "style-heavy", "mixed", "mixed", "mixed", "truth-heavy",
    ]  # fmt: skip


def test_order() -> None:
    assert ordered([0.3, 0.1, -0.2])
    assert not ordered([0.3, 0.3, -0.2])
    assert not ordered([0.1, 0.3, -0.2])


def test_confusion_by_hand() -> None:
    """Rows and columns may be different labels; each has every one of its own."""
    pairs = [("nothing", "mixed"), ("mixed", "style-heavy"), ("mixed", "mixed"), ("mixed", "mixed")]
    table = confusion(pairs, LEARNED, LABELS)
    assert list(table) == ["style-heavy", "mixed", "truth-heavy", "nothing"]
    assert table["mixed"] == {"style-heavy": 1, "mixed": 2, "truth-heavy": 0}
    assert table["nothing"] == {"style-heavy": 0, "mixed": 1, "truth-heavy": 0}
    assert sum(table["style-heavy"].values()) == 0
    assert confusion([("mixed", "nothing")], LABELS, LEARNED)["mixed"]["nothing"] == 1
    with pytest.raises(KeyError):
        confusion([("mixed", "nothing")], LABELS, LABELS)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (1.0, "style-heavy"),
        (0.75, "style-heavy"),
        (0.7499, "mixed"),
        (0.5, "mixed"),
        (0.2501, "mixed"),
        (0.25, "truth-heavy"),
        (0.0, "truth-heavy"),
    ],
)
def test_the_bounds_of_what_was_learned(share: float, wanted: str) -> None:
    """`style-heavy` where style's share is 0.75 or more, `truth-heavy` where it is 0.25 or less."""
    assert learned(regression(share)) == wanted


def test_an_explanation_of_less_than_a_hundredth_is_nothing() -> None:
    assert learned(regression(0.9, r2=0.0099)) == "nothing"
    assert learned(regression(0.9, r2=0.01)) == "style-heavy"
    assert learned(regression(0.9, r2=-0.1)) == "nothing"


@pytest.mark.parametrize(
    ("style", "truth", "wanted"),
    [
        ((-0.1, 0.5), (-0.2, 0.6), "nothing"),
        ((0.0, 0.4), (-0.4, 0.0), "nothing"),
        ((0.01, 0.4), (-0.2, 0.6), "style-heavy"),
        ((-0.1, 0.5), (-0.6, -0.01), "style-heavy"),
    ],
    ids=["both hold 0", "0 at their ends", "style is sure", "truth is sure, against the reward"],
)
def test_nothing_needs_both_intervals_to_hold_zero(
    style: tuple[float, float], truth: tuple[float, float], wanted: str
) -> None:
    """The rule reads the shares where either coefficient is sure, whatever its sign."""
    ends = {"style": style, "truth": truth}
    coefficients = {
        name: Interval(value=sum(end) / 2, stderr=0.1, low=end[0], high=end[1]) for name, end in ends.items()
    }
    found = Regression(
        coefficients=coefficients, shares={"style": interval(0.8), "truth": interval(0.2)}, r2=0.3
    )
    assert learned(found) == wanted


def test_the_planted_shares_are_on_their_own_side_of_the_bounds() -> None:
    """The rewards of page 0050: about 0.94, 0.5 and 0.05; the bounds lie half-way, rounded to quarters."""
    assert [learned(regression(share)) for share in (0.94, 0.5, 0.05)] == list(LABELS)
