"""The picture: contrasts by planted reward with the rule's margin, and the confusion table beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.picture import blank, saved
from harness.planted.result import NAME, PlantedResult
from harness.planted.rule import LABELS, RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def figure(result: PlantedResult) -> dict[str, bytes]:
    """SVG and PNG, by suffix; the same bytes for the same result."""
    return saved(lambda: _draw(result), NAME, {"svg.fonttype": "path"})


def _draw(result: PlantedResult) -> Figure:
    drawn = blank(8.0, 3.1 * len(RULES))
    rows = drawn.subplots(len(RULES), 2, squeeze=False, width_ratios=[3, 2])
    for (left, right), name in zip(rows, RULES, strict=True):
        _contrasts(left, result, name)
        _confusion(right, result, name)
    drawn.suptitle("Do the analyses recover the planted reward?", fontsize=10)
    return drawn


def _contrasts(axes: Axes, result: PlantedResult, name: str) -> None:
    margin = result.margins[name]
    axes.axhspan(-margin, margin, color="0.9", label="rule: mixed")
    axes.axhline(0, color="0.0", linewidth=0.8, linestyle=":")
    for place, seed in enumerate(result.seeds):
        points = [
            (LABELS.index(one.reward), one.contrasts[name]) for one in result.trials if one.seed == seed
        ]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            MARKERS[place % len(MARKERS)],
            color="0.0",
            markerfacecolor="none",
            label=f"seed {seed}",
        )
    axes.set_xticks(range(len(LABELS)), LABELS)
    axes.set_xlim(-0.5, len(LABELS) - 0.5)
    axes.set_xlabel("planted reward")
    axes.set_ylabel("contrast (above 0: style)")
    axes.set_title(RULES[name].title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def _confusion(axes: Axes, result: PlantedResult, name: str) -> None:
    counts = [[result.confusion[name][planted][one] for one in LABELS] for planted in LABELS]
    most = max(1, *(max(row) for row in counts))
    axes.imshow(counts, cmap="Greys", vmin=0, vmax=1.6 * most)
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            axes.text(x, y, str(count), ha="center", va="center", weight="bold" if x == y else "normal")
    ticks = range(len(LABELS))
    axes.set_xticks(ticks, LABELS, fontsize=7)
    axes.set_yticks(ticks, LABELS, fontsize=7)
    axes.set_xlabel("recovered by the rule (trials)")
    axes.set_ylabel("planted")
