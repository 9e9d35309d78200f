"""Arms that steer, against each other: the L1 adapter beside the L0 one of the paper's appendix C."""

from __future__ import annotations

from itertools import combinations

from harness.core.measures import Measure, measure
from harness.findings.outcome import Outcome
from harness.report.page.blocks import Cell, Table


def tables(outcome: Outcome, href: str) -> tuple[Table, ...]:
    """A table for each two arms that steer; none where there are fewer."""
    steering = [name for name, arm in outcome.arms.items() if arm.mean_l0 is not None]
    return tuple(_pair(outcome, first, second, href) for first, second in combinations(steering, 2))


def _pair(outcome: Outcome, first: str, second: str, href: str) -> Table:
    rows = [
        *(_score_row(outcome, first, second, one) for one in map(measure, outcome.measures)),
        _sparsity_row(outcome, first, second, "mean_l0", "Mean L0 of the steering (features)"),
        _sparsity_row(outcome, first, second, "mean_l1", "Mean L1 of the steering"),
    ]
    titles = [outcome.arms[name].title for name in (first, second)]
    notes = (
        "Same items, 95 % interval of a paired bootstrap; p after Holm's correction over every test of the "
        "run. Each arm adds its own penalty (L1, or L0 for a JumpReLU), so that penalised losses do not "
        "compare.",
        "One training each: a difference of seeds is in none of the intervals.",
    )
    headings = ("Measure", *titles, "Second - first [95 %]", "p (Holm)")
    title = f"{titles[0]} against {titles[1]}"
    return Table(f"adapters-{first}-{second}", title, headings, tuple(rows), notes, href)


def _score_row(outcome: Outcome, first: str, second: str, one: Measure) -> tuple[Cell, ...]:
    values = []
    for arm in (first, second):
        score = outcome.arms[arm].scores[one.name]
        text = f"{one.scale * score.value:.{one.decimals}f} ±{one.scale * score.stderr:.{one.decimals}f}"
        values.append(Cell(text, f"/arms/{arm}/scores/{one.name}/value", score.value))
    gap = outcome.comparisons.differences[second][first][one.name]
    effect, low, high = (
        f"{one.scale * value:+.{one.decimals}f}" for value in (gap.effect, gap.low, gap.high)
    )
    at = f"/comparisons/differences/{second}/{first}/{one.name}"
    p = Cell("not tested") if gap.p_holm is None else Cell(f"{gap.p_holm:.3g}", f"{at}/p_holm", gap.p_holm)
    return (
        Cell(f"{one.title} ({one.unit}, n = {outcome.arms[first].scores[one.name].n})"),
        *values,
        Cell(f"{effect} [{low}, {high}]", f"{at}/effect", gap.effect),
        p,
    )


def _sparsity_row(outcome: Outcome, first: str, second: str, name: str, title: str) -> tuple[Cell, ...]:
    one, other = (getattr(outcome.arms[arm], name) for arm in (first, second))
    cells = (
        Cell(f"{value:.3f}", f"/arms/{arm}/{name}", value) for arm, value in ((first, one), (second, other))
    )
    return (Cell(title), *cells, Cell(f"{other - one:+.3f}", sort=other - one), Cell("not tested"))
