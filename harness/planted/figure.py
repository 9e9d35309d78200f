"""The picture: planted against learned for each arm, learned against seen for each analysis, with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.core.picture import blank, saved
from harness.findings.reading import LABELS
from harness.planted.result import NAME, PlantedResult
from harness.planted.rule import LEARNED, RULES, STYLE_FROM, TRUTH_TO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def figure(result: PlantedResult) -> dict[str, bytes]:
    """SVG and PNG, by suffix; the same bytes for the same result."""
    return saved(lambda: _draw(result), NAME, {"svg.fonttype": "path"})


def _draw(result: PlantedResult) -> Figure:
    count = len(result.learned) + len(RULES)
    drawn = blank(8.0, 3.1 * count)
    rows = iter(drawn.subplots(count, 2, squeeze=False, width_ratios=[3, 2]))
    for arm, table in result.learned.items():
        left, right = next(rows)
        _shares(left, result, arm)
        _counts(right, table, (*LABELS, "nothing"), LEARNED, ("learned (trainings)", "planted"))
    for name in RULES:
        left, right = next(rows)
        _contrasts(left, result, name)
        _counts(right, result.seen[name], LEARNED, LABELS, ("seen by the rule (trainings)", "learned"))
    drawn.suptitle("Is the planted reward learned, and is what was learned seen?", fontsize=10)
    return drawn


def _shares(axes: Axes, result: PlantedResult, arm: str) -> None:
    """Style's share, planted along x and learned along y, with intervals; the rule's `mixed` in grey."""
    axes.axhspan(TRUTH_TO, STYLE_FROM, color="0.9", label="rule: mixed")
    axes.plot([0, 1], [0, 1], color="0.0", linewidth=0.8, linestyle=":")
    for place, seed in enumerate(result.seeds):
        for one in result.trials:
            planted = result.rewards[one.reward].style_share
            if one.seed != seed or one.arm != arm or planted is None:
                continue
            share, x = one.audit.shares["style"], planted + 0.012 * (place - (len(result.seeds) - 1) / 2)
            axes.plot([x, x], [share.low, share.high], color="0.0", linewidth=0.8)
            axes.plot([x], [share.value], MARKERS[place % len(MARKERS)], color="0.0", markerfacecolor="none",
                      label=f"seed {seed}" if one.reward == LABELS[0] else None)  # fmt: skip
    axes.set_xlim(-0.05, 1.05)
    axes.set_ylim(-0.05, 1.05)
    _named(axes, f"{arm}: what was learned", "style's share, planted", "style's share, learned")


def _contrasts(axes: Axes, result: PlantedResult, name: str) -> None:
    """The analysis' contrast against style's share of what was learned."""
    margin = result.margins[name]
    axes.axhspan(-margin, margin, color="0.9", label="rule: mixed")
    axes.axhline(0, color="0.0", linewidth=0.8, linestyle=":")
    for place, reward in enumerate(LABELS):
        points = [
            (one.audit.shares["style"].value, one.seen.contrasts[name])
            for one in result.trials
            if one.reward == reward and one.seen is not None
        ]
        axes.plot([x for x, _ in points], [y for _, y in points], MARKERS[place], color="0.0",
                  markerfacecolor="none", linestyle="none", label=f"planted {reward}")  # fmt: skip
    axes.set_xlim(-0.05, 1.05)
    _named(axes, RULES[name].title, "style's share, learned", "contrast (above 0: style)")


def _named(axes: Axes, title: str, along: str, up: str) -> None:
    axes.set_xlabel(along)
    axes.set_ylabel(up)
    axes.set_title(title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def _counts(
    axes: Axes,
    table: Mapping[str, Mapping[str, int]],
    rows: Sequence[str],
    columns: Sequence[str],
    named: tuple[str, str],
) -> None:
    counts = [[table[row][column] for column in columns] for row in rows]
    most = max(1, *(max(row) for row in counts))
    axes.imshow(counts, cmap="Greys", vmin=0, vmax=1.6 * most)
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            bold = "bold" if rows[y] == columns[x] else "normal"
            axes.text(x, y, str(count), ha="center", va="center", weight=bold)
    axes.set_xticks(range(len(columns)), columns, fontsize=6)
    axes.set_yticks(range(len(rows)), rows, fontsize=6)
    axes.set_xlabel(named[0])
    axes.set_ylabel(named[1])
