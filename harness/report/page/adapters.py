"""Steering arms compared: the L1 adapter and the L0 adapter of the paper's appendix C."""

from __future__ import annotations

from itertools import combinations

from harness.core.measures import Measure, measure
from harness.core.sheet import Row, Sheet, line, numeric
from harness.findings.outcome import Outcome
from harness.report.tables import effect, scored


def tables(outcome: Outcome, href: str) -> tuple[Sheet, ...]:
    """A table for each two arms that steer; none where there are fewer."""
    steering = [name for name, arm in outcome.arms.items() if arm.mean_l0 is not None]
    return tuple(_pair(outcome, first, second, href) for first, second in combinations(steering, 2))


def _pair(outcome: Outcome, first: str, second: str, href: str) -> Sheet:
    rows = [
        *(_score_row(outcome, first, second, one) for one in map(measure, outcome.measures)),
        _sparsity_row(outcome, first, second, "mean_l0", "Mean L0 of the steering (features)"),
        _sparsity_row(outcome, first, second, "mean_l1", "Mean L1 of the steering"),
    ]
    titles = [outcome.arms[name].title for name in (first, second)]
    notes = (
        "Same items, 95 % interval of a paired bootstrap, uncorrected; p after Holm's correction over every "
        "test of the run. Each arm adds its own penalty (L1, or L0 for a JumpReLU), so that penalised losses "
        "do not compare.",
        "One training each: a difference of seeds is in none of the intervals.",
    )
    headings = ("Measure", *titles, "Second minus first [95 % CI]", "p (Holm)")
    title = f"{titles[0]} against {titles[1]}"
    return Sheet(f"adapters-{first}-{second}", title, headings, tuple(rows), notes, href)


def _score_row(outcome: Outcome, first: str, second: str, one: Measure) -> Row:
    scores = {arm: outcome.arms[arm].scores[one.name] for arm in (first, second)}
    gap = outcome.comparisons.differences[second][first][one.name]
    at = f"/comparisons/differences/{second}/{first}/{one.name}"
    return line(
        f"{one.title} ({one.unit}, n = {scores[first].n})",
        *(scored(score, one, f"/arms/{arm}/scores/{one.name}/value") for arm, score in scores.items()),
        effect(gap, one, at),
        numeric(gap.p_holm, ".3g", f"{at}/p_holm", missing="not tested"),
    )


def _sparsity_row(outcome: Outcome, first: str, second: str, name: str, title: str) -> Row:
    one, other = (getattr(outcome.arms[arm], name) for arm in (first, second))
    cells = (numeric(value, ".3f", f"/arms/{arm}/{name}") for arm, value in ((first, one), (second, other)))
    return line(title, *cells, numeric(other - one, "+.3f"), "not tested")
