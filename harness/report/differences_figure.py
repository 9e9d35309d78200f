"""The picture of Table 1: each arm's difference to the base with its interval, in black and white."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.measures import BASE, PENALISED_LOSS, Measure
from harness.core.picture import blank, saved
from harness.findings.outcome import Outcome
from harness.report.tables import commits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SALT = "harness"
MARKERS = ("s", "o", "^", "D", "v", "P", "X", "*")
GREYS = ("0.0", "0.45")
GAP = 0.22


def figure(outcome: Outcome) -> dict[str, bytes]:
    """SVG and PNG, by suffix; the same bytes for the same outcome."""
    return saved(lambda: _draw(outcome), SALT, {"svg.fonttype": "path"})


def _draw(outcome: Outcome) -> Figure:
    losses = [one for one in outcome.columns if one.lower_is_better and one.name != PENALISED_LOSS]
    scores = [one for one in outcome.columns if not one.lower_is_better]
    panels = [panel for panel in (losses, scores) if panel]
    height = 2.2 + 0.55 * sum(map(len, panels))
    drawn = blank(7.0, height)
    rows = drawn.subplots(len(panels), 1, squeeze=False, height_ratios=[len(panel) + 0.4 for panel in panels])
    for axes, panel in zip(rows[:, 0], panels, strict=True):
        _panel(axes, panel, outcome)
    rows[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False)
    drawn.suptitle(f"Difference to the base model, 95 % interval: {outcome.profile}", fontsize=10)
    drawn.supxlabel(_caption(outcome), fontsize=6)
    return drawn


def _panel(axes: Axes, columns: list[Measure], outcome: Outcome) -> None:
    arms = [name for name in outcome.arms if name != BASE]
    for place, name in enumerate(arms):
        offset = (place - (len(arms) - 1) / 2) * GAP
        _arm(axes, columns, outcome, name, place, offset)
    axes.axvline(0, color="0.0", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(columns)), [column.title for column in columns])
    axes.set_ylim(len(columns) - 0.5, -0.5)
    better = "lower is better" if columns[0].lower_is_better else "higher is better"
    axes.set_xlabel(f"difference to base ({columns[0].step}, {better})")
    axes.spines[["top", "right"]].set_visible(False)


def _arm(axes: Axes, columns: list[Measure], outcome: Outcome, name: str, place: int, offset: float) -> None:
    points = [(i, column, outcome.difference(name, BASE, column.name)) for i, column in enumerate(columns)]
    known = [(i + offset, column.scale, one) for i, column, one in points if one is not None]
    effects = [one.effect * scale for _, scale, one in known]
    axes.errorbar(
        effects,
        [y for y, _, _ in known],
        xerr=[
            [max(0.0, (one.effect - one.low) * scale) for _, scale, one in known],
            [max(0.0, (one.high - one.effect) * scale) for _, scale, one in known],
        ],
        fmt=MARKERS[place % len(MARKERS)],
        color=GREYS[place % len(GREYS)],
        markerfacecolor="white" if place % 2 else GREYS[0],
        capsize=3,
        linewidth=1.2,
        label=outcome.arms[name].title,
    )


def _caption(outcome: Outcome) -> str:
    return (
        f"{outcome.note}\nprotocol {outcome.protocol}, {outcome.hardware}, commit "
        f"{commits(outcome.commits, outcome.dirty)}, seed {outcome.seed}, one run an arm"
    )
