"""Saves a figure: the same drawing gives the same bytes."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT = {"font.family": "DejaVu Sans", "font.size": 9}
DPI = 150


def blank(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, on a canvas that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def saved(
    draw: Callable[[], Figure], salt: str, settings: Mapping[str, Any], *, transparent: bool = False
) -> dict[str, bytes]:
    """SVG and PNG, by suffix.

    Args:
        salt: of the ids in the SVG.
        settings: of matplotlib, besides the font.
        transparent: whether the SVG has no background.
    """
    import matplotlib as mpl

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with mpl.rc_context({**FONT, **settings, "svg.hashsalt": salt}):
        figure = draw()
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=transparent, metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    return {"svg": svg.getvalue(), "png": png.getvalue()}
