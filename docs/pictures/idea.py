"""Draws the idea as one picture: `python docs/pictures/idea.py` writes idea.svg and idea-dark.svg.

The lengths of the bars are the weights of Gemma-2-2B, of its SAE (width 65k) and of the adapter, as
`python -m harness plan --profile gemma-2-2b --gpu h200` counts them. Coordinates are CSS pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from matplotlib import get_data_path
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, FancyBboxPatch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from harness.core.picture import blank, saved  # noqa: E402 - the script runs from any folder

WIDTH, HEIGHT = 830, 478
PT = 72 / 96
"""Points in a pixel."""
MODEL, SAE, ADAPTER = 2_614_341_888, 302_123_264, 151_060_480
SCALE = 0.165e-6
"""Pixels a weight."""
MAIN, UPPER, LOWER = 268, 92, 178
"""Heights of the residual stream, of the SAE and of the adapter."""


FONTS = Path(get_data_path()) / "fonts" / "ttf"
"""Matplotlib's own DejaVu Sans: the system's may number its glyphs otherwise."""


class Palette(NamedTuple):
    """Colours: text, faint text, and the edge and fill of what is frozen and of what is trained."""

    ink: str
    faint: str
    frozen: tuple[str, str]
    trained: tuple[str, str]


PALETTES: Mapping[str, Palette] = {
    "idea": Palette("#1f2328", "#59636e", ("#8c959f", "#eaeef2"), ("#bc4c00", "#ffd8b5")),
    "idea-dark": Palette("#e6edf3", "#9da7b3", ("#6e7681", "#262c36"), ("#f0883e", "#6b3310")),
}


class Drawing:
    """Boxes, arrows and words on axes that are measured in pixels from the upper left corner."""

    def __init__(self, axes: Axes, palette: Palette) -> None:
        self.axes, self.palette = axes, palette

    def box(
        self, x: float, y: float, width: float, height: float, words: str = "", *, trained: bool = False
    ) -> None:
        """A rounded box with words in its middle; x and y are its upper left corner."""
        edge, fill = self.palette.trained if trained else self.palette.frozen
        style = f"round,pad=0,rounding_size={min(5, width / 4)}"
        patch = FancyBboxPatch((x, y), width, height, boxstyle=style, ec=edge, fc=fill, lw=1.1)
        self.axes.add_patch(patch)
        self.words(x + width / 2, y + height / 2, words, ha="center")

    def words(
        self,
        x: float,
        y: float,
        words: str,
        *,
        ha: str = "left",
        px: float = 12.5,
        faint: bool = False,
        bold: bool = False,
        zorder: float = 3,
    ) -> None:
        """Words whose vertical middle is y."""
        font = FontProperties(fname=FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size=px * PT)
        colour = self.palette.faint if faint else self.palette.ink
        style = {"color": colour, "ha": ha, "va": "center", "linespacing": 1.25, "zorder": zorder}
        self.axes.text(x, y, words, fontproperties=font, **style)

    def arrow(self, *points: tuple[float, float], trained: bool = False, head: bool = True) -> None:
        """A line through the points, with an arrow head at its end."""
        colour = self.palette.trained[0] if trained else self.palette.faint
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, color=colour, lw=1.4, solid_joinstyle="round", solid_capstyle="butt")
        if head:
            style = {
                "arrowstyle": "-|>",
                "color": colour,
                "lw": 1.4,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 10,
            }
            self.axes.annotate("", xy=points[-1], xytext=points[-2], arrowprops=style)

    def plus(self, x: float, y: float) -> None:
        """A circle with a plus sign: the sum of what comes in."""
        self.axes.add_patch(
            Circle((x, y), 10, ec=self.palette.ink, fc=self.palette.frozen[1], lw=1.1, zorder=3)
        )
        self.words(x, y, "+", ha="center", px=15, zorder=4)


def forward(pen: Drawing) -> None:
    """The upper half: one token's way through the steered model."""
    pen.words(20, 22, "FSRL: one forward pass", px=15, bold=True)
    about = (
        "The adapter reads the residual stream\nand adds v to the SAE's features.\nNothing else is trained."
    )
    pen.words(20, 78, about, px=12, faint=True)
    pen.words(20, MAIN, "prompt")
    pen.arrow((70, MAIN), (88, MAIN))
    for left in (90, 636):
        for column in range(3):
            pen.box(left + 38 * column, MAIN - 27, 30, 54)
        pen.words(left + 53, MAIN + 42, "13 blocks, frozen", ha="center", px=11.5, faint=True)
    pen.arrow((196, MAIN), (590, MAIN))
    pen.arrow((610, MAIN), (634, MAIN))
    pen.arrow((742, MAIN), (760, MAIN))
    pen.words(766, MAIN, "answer")
    pen.words(212, MAIN + 16, "residual stream x", px=11.5, faint=True)
    pen.arrow((270, MAIN), (270, UPPER), (312, UPPER))
    pen.arrow((270, LOWER), (312, LOWER))
    pen.box(314, UPPER - 24, 112, 48, "SAE encoder\nfrozen")
    pen.box(314, LOWER - 24, 112, 48, "adapter\ntrained", trained=True)
    pen.arrow((426, UPPER), (474, UPPER))
    pen.arrow((426, LOWER), (485, LOWER), (485, UPPER + 10), trained=True)
    pen.words(436, UPPER - 13, "f ≥ 0", px=11.5)
    pen.words(436, LOWER - 13, "v ≥ 0", px=11.5)
    limits = "one linear layer and a ReLU;\nan L1 penalty keeps v sparse"
    pen.words(314, LOWER + 46, limits, px=11.5, faint=True)
    pen.plus(485, UPPER)
    pen.words(485, UPPER - 36, "features, steered", ha="center", px=11.5, faint=True)
    pen.arrow((495, UPPER), (542, UPPER))
    pen.box(544, UPPER - 24, 112, 48, "SAE decoder\nfrozen")
    pen.arrow((600, UPPER + 24), (600, MAIN - 10))
    pen.plus(600, MAIN)
    pen.words(612, LOWER - 20, "x + decode(f + v) − decode(f):\nwhere v = 0, nothing changes", px=11.5)


def arms(pen: Drawing) -> None:
    """The lower half: what each arm trains, as bars on one scale of weights."""
    pen.words(20, 346, "Three arms: what is trained, on one scale", px=15, bold=True)
    pen.words(660, 347, "trained weights, paper's size", px=11.5, faint=True)
    model, sae, adapter = MODEL * SCALE, SAE * SCALE, ADAPTER * SCALE
    rows = (("base", "none"), ("full SimPO", "2.61 billion"), ("FSRL", "0.15 billion: the adapter"))
    for row, (name, trained) in enumerate(rows):
        y = 368 + 36 * row
        everything = name == "full SimPO"
        pen.words(20, y + 13, name, bold=True)
        pen.box(112, y, model, 26, "model, trained" if everything else "model, frozen", trained=everything)
        pen.words(660, y + 13, trained)
        if name == "FSRL":
            pen.box(115 + model, y, sae, 26, "SAE")
            pen.box(118 + model + sae, y, adapter, 26, trained=True)


def picture(palette: Palette) -> Figure:
    """The whole picture in one palette."""
    figure = blank(WIDTH * PT / 72, HEIGHT * PT / 72)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.axis("off")
    pen = Drawing(axes, palette)
    forward(pen)
    arms(pen)
    return figure


def drawn() -> dict[str, dict[str, bytes]]:
    """The picture in every palette, by name: SVG and PNG."""
    return {
        name: saved(lambda palette=palette: picture(palette), "idea", {}, transparent=True)
        for name, palette in PALETTES.items()
    }


if __name__ == "__main__":
    for name, files in drawn().items():
        (HERE / f"{name}.svg").write_bytes(files["svg"])
