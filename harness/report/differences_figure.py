"""The picture of Table 1: each arm's difference to the base with its interval over items, and over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.measures import BASE, PENALISED_LOSS, Measure
from harness.core.picture import blank, saved
from harness.core.statistics import LEVEL, Difference
from harness.findings.outcome import Outcome
from harness.findings.seeds import SeedResult
from harness.report.palette import PAPER, Style, styles
from harness.report.tables import commits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SALT = "harness"
ROW = 0.16
"""Inches for an arm's line; a measure has half a line more."""
GAP = 1.2
"""Lines between two measures, in lines of an arm."""
BELOW = 0.32
"""How far below an arm's interval over items the one over seeds is, in lines."""


def figure(outcome: Outcome) -> dict[str, bytes]:
    """SVG and PNG, by suffix; the same bytes for the same outcome."""
    return saved(lambda: _alone(outcome), SALT, {"svg.fonttype": "path"})


def _alone(outcome: Outcome) -> Figure:
    """The figure as a file, which says where it is from."""
    made = forest(outcome, [name for name in outcome.arms if name != BASE], width=7.0, extra=1.3)
    made.suptitle(f"Difference to the base model, 95 % interval: {outcome.profile}", fontsize=10)
    made.supxlabel(_caption(outcome), fontsize=6)
    return made


def forest(
    outcome: Outcome,
    arms: Sequence[str],
    seeds: SeedResult | None = None,
    *,
    width: float,
    extra: float = 0.0,
) -> Figure:
    """A panel for the losses and one for the scores; in each a measure is a block of lines, an arm a line.

    Args:
        arms: which ones, without the base.
        seeds: what several training seeds gave: a thin interval below that over items.
        width, extra: inches; `extra` is for what stands above and below the panels.
    """
    losses = [one for one in outcome.columns if one.lower_is_better and one.name != PENALISED_LOSS]
    scores = [one for one in outcome.columns if not one.lower_is_better]
    panels = [panel for panel in (losses, scores) if panel]
    lines = [len(panel) * (len(arms) + GAP) for panel in panels]
    made = blank(width, 0.55 * len(panels) + 0.3 + ROW * sum(lines) + extra)
    rows = made.subplots(len(panels), 1, squeeze=False, height_ratios=[one + 1 for one in lines])
    for axes, panel in zip(rows[:, 0], panels, strict=True):
        _panel(axes, panel, outcome, arms, seeds)
    made.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
    return made


def _panel(
    axes: Axes, columns: list[Measure], outcome: Outcome, arms: Sequence[str], seeds: SeedResult | None
) -> None:
    step, looks = len(arms) + GAP, styles(outcome.arms)
    axes.axvline(0, color="#000000", linewidth=0.8, linestyle=":")
    for place, name in enumerate(arms):
        label = outcome.arms[name].title
        for i, column in enumerate(columns):
            one = outcome.difference(name, BASE, column.name)
            if one is not None:
                y = i * step + place
                _interval(axes, y, one, column, looks[name], label)
                _over_seeds(axes, y + BELOW, seeds, name, column, looks[name])
                label = "_nolegend_"
    middle = (len(arms) - 1) / 2
    axes.set_yticks([i * step + middle for i in range(len(columns))], [one.title for one in columns])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(columns) * step - GAP / 2, -GAP / 2 - 0.3)
    axes.margins(x=0.04)
    better = "lower is better" if columns[0].lower_is_better else "higher is better"
    axes.set_xlabel(f"difference to base ({columns[0].step}; {better})")
    axes.spines[["top", "right", "left"]].set_visible(False)


def _interval(axes: Axes, y: float, one: Difference, column: Measure, look: Style, label: str) -> None:
    """Filled where the corrected p value is below 0.05; the number stands at the right edge."""
    sure = one.p_holm is not None and one.p_holm < LEVEL
    ends = [one.low * column.scale, one.high * column.scale]
    axes.plot(ends, [y, y], color=look.colour, linewidth=1.8)
    axes.plot([one.effect * column.scale], [y], marker=look.marker, color=look.colour, linestyle="none",
              markersize=6, markerfacecolor=look.colour if sure else PAPER, label=label)  # fmt: skip
    shown = f"{one.effect * column.scale:+.{column.decimals}f}"
    axes.annotate(shown, (1.01, y), xycoords=("axes fraction", "data"), va="center", color=look.colour)


def _over_seeds(
    axes: Axes, y: float, seeds: SeedResult | None, arm: str, column: Measure, look: Style
) -> None:
    one = None if seeds is None else seeds.differences.get(arm, {}).get(column.name)
    if one is None:
        return
    ends = [one.low * column.scale, one.high * column.scale]
    axes.plot(ends, [y, y], color=look.colour, linewidth=0.8, marker="|", markersize=4)


def _caption(outcome: Outcome) -> str:
    return (
        f"{outcome.note}\nfilled: p < {LEVEL:g} after Holm's correction · protocol {outcome.protocol}, "
        f"{outcome.hardware}, commit {commits(outcome.commits, outcome.dirty)}, seed {outcome.seed}, one run "
        "an arm"
    )
