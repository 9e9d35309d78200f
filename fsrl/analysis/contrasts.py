"""Masking a category compared with masking as many random features, measure by measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.measures import LOSS
from harness.core.results import Interval
from harness.findings.masked import Ablated, Contrast

LEVEL = 0.95


def contrasts(rows: Sequence[Ablated], items: Mapping[str, int]) -> tuple[Contrast, ...]:
    """Every category by every measure that its row, the unmasked one and its draws have.

    Args:
        rows: the first of them masks nothing.
        items: by measure.
    """
    nothing, found = values(rows[0]), []
    for row in rows[1:]:
        if row.draw is not None:
            continue
        draws = [values(one) for one in rows if one.masked == like(row.masked)]
        for name, value in values(row).items():
            drawn = further_draw([draw[name] - nothing[name] for draw in draws])
            found.append(
                Contrast(
                    masked=row.masked,
                    measure=name,
                    items=items[name],
                    effect=value - nothing[name],
                    random=drawn,
                )
            )
    return tuple(found)


def like(category: str) -> str:
    """Name of the rows of random masks of a category's size."""
    return f"random, as many as {category}"


def values(row: Ablated) -> dict[str, float]:
    """Every measure of a row."""
    asked = {"answer_tokens": row.answer_tokens, "markdown": row.markdown}
    return {
        LOSS: row.loss,
        **row.scores,
        **{name: value for name, value in asked.items() if value is not None},
    }


def further_draw(draws: Sequence[float]) -> Interval:
    """Mean over draws, its standard error, and Student's interval for one further draw.

    mean ± t sd sqrt(1 + 1/n) with n - 1 degrees of freedom: a category that lies outside of it does not
    behave as one more random mask would.
    """
    from scipy.stats import t

    n, centre = len(draws), sum(draws) / len(draws)
    sd = (sum((draw - centre) ** 2 for draw in draws) / (n - 1)) ** 0.5
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * sd * (1 + 1 / n) ** 0.5
    return Interval(value=centre, stderr=sd / n**0.5, low=centre - half, high=centre + half)
