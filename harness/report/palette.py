"""One colour and one mark for each arm, in every figure and table, on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.core.measures import BASE

INK, PAPER = "#000000", "#ffffff"
LIGHT = ("#7b4ea3", "#0b6e99", "#a35200", "#ad2f78", "#3f6d1d", "#8f2323", "#4253b0", "#5f5a00")
DARK = ("#c9a8ee", "#62c6ea", "#f2ab60", "#f193c9", "#a3d27c", "#f29089", "#a9b6ff", "#d2cb5a")
"""Each has a contrast of 4.5 or more with its ground; none is the red or green of a verdict."""
MARKERS = ("s", "o", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
GREYS = ("#4c4c4c", "#737373", "#7f7f7f", "#808080", "#999999")
PALE = ("#e5e5e5", "#cccccc")


class Style(NamedTuple):
    """How an arm is drawn.

    Attributes:
        colour: on light ground.
        variable: the style sheet's name for the colour, on either ground.
        marker, line: matplotlib's.
        filled: whether the mark is; hollow ones are those of a ninth arm and further.
    """

    colour: str
    variable: str
    marker: str
    line: str
    filled: bool


def styles(arms: Iterable[str]) -> dict[str, Style]:
    """By arm; the base in the colour of the text, the others in their order in the profile."""
    others = [name for name in arms if name != BASE]
    found = {BASE: Style(INK, "--ink", "o", ":", True)}
    for place, name in enumerate(others):
        hue = place % len(LIGHT)
        line = LINES[place % len(LINES)]
        found[name] = Style(LIGHT[hue], f"--arm-{hue}", MARKERS[hue], line, place < len(LIGHT))
    return found


def themed(svg: str) -> str:
    """An SVG whose colours are the style sheet's, so that it follows the page from light to dark."""
    named = {INK: "--ink", PAPER: "--paper", **{colour: f"--arm-{i}" for i, colour in enumerate(LIGHT)}}
    named |= dict.fromkeys(GREYS, "--grey") | dict.fromkeys(PALE, "--line")
    for colour, variable in named.items():
        svg = svg.replace(f": {colour}", f": var({variable})")
    return svg


def variables(dark: bool) -> str:
    """The declarations of the arms' colours for the style sheet."""
    return " ".join(f"--arm-{i}: {colour};" for i, colour in enumerate(DARK if dark else LIGHT))
