"""Two figures of the methods: preference against damage, and cost against gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.picture import blank, saved
from harness.findings.methods import NAME, MethodRow, MethodsResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")
COLOURS = {"trained": "#1f4e79", "fitted": "#b45f06"}
"""One a kind of arm; the marker tells the arms apart without it."""
LEAST_KL, LEAST_S = 1e-7, 1e-2
"""What stands for 0 on a logarithmic axis; an arm of strength 0 is the base."""


def figures(result: MethodsResult) -> dict[str, bytes]:
    """SVG and PNG of both, by file name; the same bytes for the same result."""
    drawn = {}
    for name, draw in (("damage", _damage), ("cost", _cost)):
        for suffix, data in saved(lambda draw=draw: draw(result), NAME, {"svg.fonttype": "path"}).items():  # type: ignore[misc]
            drawn[f"{NAME}-{name}.{suffix}"] = data
    return drawn


def _damage(result: MethodsResult) -> Figure:
    drawn, axes = _empty("Preference against damage", result)
    for place, row in enumerate(_arms(result)):
        if row.kl is not None:
            at, low, high = (max(one, LEAST_KL) for one in (row.kl.value, row.kl.low, row.kl.high))
            _point(axes, row, place, at, (at - low, high - at))
    axes.set_xscale("log")
    axes.set_xlabel(f"damage: KL to the base on neutral text (nats a token; 0 is drawn at {LEAST_KL:g})")
    return drawn


def _cost(result: MethodsResult) -> Figure:
    drawn, axes = _empty("Cost against gain", result)
    for place, row in enumerate(_arms(result)):
        _point(axes, row, place, max(row.train_s, LEAST_S), None)
    axes.set_xscale("log")
    axes.set_xlabel("cost: training, or fitting with its search (s)")
    return drawn


def _arms(result: MethodsResult) -> list[MethodRow]:
    return [row for row in result.rows if row.gain is not None]


def _empty(title: str, result: MethodsResult) -> tuple[Figure, Axes]:
    drawn = blank(7.5, 4.6)
    axes = drawn.subplots()
    axes.axhline(0, color="0.0", linewidth=0.8, linestyle=":")
    axes.set_ylabel("gain: SimPO loss of the base less the arm's (nats)")
    axes.spines[["top", "right"]].set_visible(False)
    for place, row in enumerate(_arms(result)):
        axes.plot([], [], _marker(place), color=COLOURS[row.kind], label=row.title, linestyle="none")
    drawn.legend(loc="outside right upper", frameon=False, fontsize=7)
    drawn.suptitle(f"{title}: {result.profile}, 95 % intervals", fontsize=10)
    drawn.supxlabel(result.note, fontsize=6)
    return drawn, axes


def _point(axes: Axes, row: MethodRow, place: int, x: float, sides: tuple[float, float] | None) -> None:
    gain = row.gain
    assert gain is not None
    axes.errorbar(
        [x],
        [gain.effect],
        xerr=None if sides is None else [[max(0.0, sides[0])], [max(0.0, sides[1])]],
        yerr=[[max(0.0, gain.effect - gain.low)], [max(0.0, gain.high - gain.effect)]],
        fmt=_marker(place),
        color=COLOURS[row.kind],
        capsize=2,
        linewidth=0.9,
    )


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]
