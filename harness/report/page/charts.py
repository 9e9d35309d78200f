"""The figures: a colour and a line for each group, axes with units, the same bytes for the same finding."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.core.picture import blank, saved
from harness.findings.activity import CONTEXTS, DifferenceResult, UsageResult
from harness.findings.masked import POLICIES, TopKResult
from harness.report.palette import INK, LIGHT, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLES = {"all": (INK, "-"), "alignment": (LIGHT[6], ":"), "style": (LIGHT[2], "--")}
"""Groups of features; their colours are of no arm that a profile of a few arms has."""
PX_PER_PT = 4 / 3
LARGEST = 1.3
"""How much wider than drawn a figure may become; the text grows with it."""
WIDTH = 4.6
"""Inches: on a telephone, 390 pixels wide, 10-point text is then still 10 pixels high."""
OPENING = 5.6
"""The same for the two figures of the first screen, side by side on a desk: 9 pixels on a telephone."""
SETTINGS: dict[str, Any] = {
    "font.size": 10,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def drawn(name: str, draw: Callable[[], Figure]) -> tuple[str, bytes]:
    """SVG to put into a page, its ids made the figure's own, and PNG."""
    made = saved(draw, name, SETTINGS, transparent=True)
    return themed(inline(made["svg"].decode(), name)), made["png"]


def inline(svg: str, name: str) -> str:
    """The `svg` element alone, as wide as its place up to a bound, with ids of its own."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", element)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(
        r'(<svg [^>]*?) (?:height|width)="[^"]*"([^>]*?) (?:height|width)="[^"]*"', r"\1\2", element, count=1
    )
    natural = float(re.findall(r'viewBox="\S+ \S+ (\S+) ', element)[0]) * PX_PER_PT
    return element.replace("<svg ", f'<svg style="max-width: {LARGEST * natural:.0f}px" ', 1)


def top_k(result: TopKResult) -> Figure:
    """Figure 2."""
    figure = blank(WIDTH, 4.2)
    axes = figure.subplots()
    for policy, marker, colour in (("dynamic", "o", LIGHT[6]), ("static", "s", LIGHT[2])):
        points = [point for point in result.points if point.policy == policy]
        axes.plot(
            [100 * p.fraction for p in points],
            [p.loss for p in points],
            marker=marker,
            color=colour,
            linestyle="-" if policy == "dynamic" else "--",
            label=POLICIES[policy],
        )
    axes.plot(
        [100 * result.learned_l0 / result.d_sae],
        [result.learned_loss],
        marker="*",
        markersize=13,
        color="black",
        linestyle="none",
        label=f"learned policy (mean L0 {result.learned_l0:.1f})",
    )
    axes.axhline(result.base_loss, color="0.5", linestyle=":", label="base model, not steered")
    axes.set_xscale("log")
    _plain_numbers(axes.xaxis)
    axes.set_xlabel("features steered (% of the dictionary, log scale)")
    axes.set_ylabel("SimPO loss (nats)")
    figure.legend(loc="outside lower center")
    return figure


def difference(result: DifferenceResult) -> Figure:
    """Figure 3."""
    figure = blank(WIDTH, 5.8)
    above, below = figure.subplots(2, 1)
    above.stairs(result.counts, result.edges, color="black", fill=True)
    above.set_yscale("symlog", linthresh=1)
    _plain_numbers(above.yaxis)
    above.set_xlabel("mean of f - v (activation)")
    above.set_ylabel("features (log scale)")
    share = [100 * i / (len(result.ordered) - 1) for i in range(len(result.ordered))]
    below.plot(share, result.ordered, color="black")
    below.axhline(0, color="0.5", linestyle=":")
    below.set_xlabel("features, by difference (%)")
    below.set_ylabel("mean of f - v (activation)")
    return figure


def usage(result: UsageResult) -> Figure:
    """Figure 5."""
    contexts = [name for name in CONTEXTS if any(curve.context == name for curve in result.curves)]
    figure = blank(WIDTH, 3.2 * len(contexts))
    panels = figure.subplots(len(contexts), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, context in zip(panels, contexts, strict=True):
        _usage_panel(axes, result, context)
    panels[-1].set_xlabel("feature rank (percentile)")
    figure.supylabel("usage (% of positions, log scale)", fontsize=SETTINGS["font.size"])
    return figure


def _usage_panel(axes: Axes, result: UsageResult, context: str) -> None:
    for curve in (one for one in result.curves if one.context == context):
        shade, line = STYLES[curve.group]
        axes.plot(
            curve.percentile,
            [100 * share for share in curve.usage],
            color=shade,
            linestyle=line,
            label=f"{curve.group} ({curve.used} of {curve.features})",
        )
        if curve.group == "all" and curve.slope is not None and curve.intercept is not None:
            ends = [curve.percentile[0], curve.percentile[-1]]
            fitted = [100 * 10 ** (curve.intercept + curve.slope * x) for x in ends]
            axes.plot(
                ends, fitted, color="0.6", linewidth=3, alpha=0.6, zorder=0, label=f"fit, R² {curve.r2:.2f}"
            )
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis)
    axes.set_title(CONTEXTS[context], fontsize=SETTINGS["font.size"])
    axes.legend(fontsize=SETTINGS["font.size"])


def _plain_numbers(axis: Axis) -> None:
    """0.01 instead of a power with a tiny exponent."""
    from matplotlib.ticker import NullFormatter

    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
