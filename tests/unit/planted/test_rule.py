"""The rules read cases worked by hand."""

from __future__ import annotations

import pytest
from planted_toys import ablation, composition, interval

from harness.core.results import Interval
from harness.planted.rule import (
    RULES,
    ablation_contrast,
    composition_contrast,
    confusion,
    harms,
    label,
    ordered,
)


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
    table = confusion(
        [("mixed", "style-heavy"), ("mixed", "mixed"), ("mixed", "mixed"), ("truth-heavy",) * 2]
    )
    assert table["mixed"] == {"style-heavy": 1, "mixed": 2, "truth-heavy": 0}
    assert table["truth-heavy"] == {"style-heavy": 0, "mixed": 0, "truth-heavy": 1}
    assert sum(table["style-heavy"].values()) == 0
