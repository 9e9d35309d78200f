"""Colours and marks of arms: told apart, and readable on both grounds."""

from __future__ import annotations

from harness.report.palette import DARK, LIGHT, styles, themed


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_can_be_read_on_its_ground() -> None:
    assert min(contrast(colour, "#ffffff") for colour in LIGHT) >= 4.5
    assert min(contrast(colour, "#161616") for colour in DARK) >= 4.5
    assert len(LIGHT) == len(DARK) == len(set(LIGHT)) == len(set(DARK))


def test_fifteen_arms_are_told_apart_without_their_colour() -> None:
    found = styles(["base", *(f"arm-{i}" for i in range(15))])
    assert len({(one.marker, one.filled) for name, one in found.items() if name != "base"}) == 15
    assert found["arm-0"] == styles(["base", "arm-0", "another"])["arm-0"], "an arm keeps its look"


def test_a_figure_takes_its_colours_from_the_style_sheet() -> None:
    drawn = f'<path style="fill: none; stroke: {LIGHT[1]}"/><g style="fill: #000000"/>'
    assert themed(drawn) == '<path style="fill: none; stroke: var(--arm-1)"/><g style="fill: var(--ink)"/>'
