"""Many arms: all of them by every measure, as one figure and one table. The first screen has a few only."""

from __future__ import annotations

from harness.core.measures import BASE, PENALISED_LOSS
from harness.core.sheet import Row, Sheet, line, numeric
from harness.findings.outcome import Outcome
from harness.findings.seeds import SeedResult
from harness.report.differences_figure import forest
from harness.report.page import charts
from harness.report.page.blocks import Picture, Section
from harness.report.page.opening import MOST_ARMS
from harness.report.tables import starred


def section(outcome: Outcome, href: str, seeds: SeedResult | None) -> tuple[Section, ...]:
    """The comparison of all arms; none where the first screen has them all."""
    arms = [name for name in outcome.arms if name != BASE]
    if len(arms) <= MOST_ARMS:
        return ()
    svg, png = charts.drawn("all-arms", lambda: forest(outcome, arms, seeds, width=charts.WIDTH))
    alt = "Each arm's difference to the base on every measure; the numbers are in the table below."
    picture = Picture("all-arms", "Every arm against the base", svg, png, alt, (), href)
    intro = f"All {len(arms)} arms; the first screen shows {MOST_ARMS} of them."
    return (Section("comparison", "All arms", intro, (picture, table(outcome, href))),)


def table(outcome: Outcome, href: str) -> Sheet:
    """An arm a row: difference to the base on every measure, trained parameters, mean L0; can be sorted."""
    columns = [one for one in outcome.columns if one.name != PENALISED_LOSS]
    rows: list[Row] = []
    for name, arm in outcome.arms.items():
        if name == BASE:
            continue
        found = [(column, outcome.difference(name, BASE, column.name)) for column in columns]
        at = f"/comparisons/differences/{name}/{BASE}"
        usage = arm.training_usage
        rows.append(
            line(
                arm.title,
                *("n/a" if one is None else starred(one, c, f"{at}/{c.name}") for c, one in found),
                numeric(usage.trainable_parameters if usage else None, ",",
                        f"/arms/{name}/training_usage/trainable_parameters"),
                numeric(arm.mean_l0, ".1f", f"/arms/{name}/mean_l0", missing="n/a (does not steer)"),
            )
        )  # fmt: skip
    headings = ("Arm", *(f"{one.title} ({one.unit})" for one in columns), "Trainable parameters", "Mean L0")
    note = "Difference to the base on the same items, 95 % interval; * p < 0.05 after Holm's correction."
    return Sheet("comparison", "Every arm against the base", headings, tuple(rows), (note,), href)
