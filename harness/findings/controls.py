"""Oracle adapters, whose steered features are known by construction, and what the analyses say of them."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Record
from harness.findings.reading import MIXED, STYLE_HEAVY, TRUTH_HEAVY

RIGHT = {
    "style": STYLE_HEAVY,
    "truth": TRUTH_HEAVY,
    "both": MIXED,
    "neither": MIXED,
    "random": MIXED,
}
"""Kind of oracle -> what an analysis should read."""
ENOUGH = 0.8
"""Share of the controls that an analysis has to read right to be called able to tell the kinds apart."""


class Control(Record):
    """One oracle adapter.

    Attributes:
        kind: what it steers, a key of `RIGHT`.
        draw: which features and sizes, of several.
        steered: how many features.
        contrasts: analysis -> the number that its rule reads.
        readings: analysis -> the label.
    """

    kind: str
    draw: int
    steered: int
    contrasts: dict[str, float]
    readings: dict[str, str]


class ControlsResult(Record):
    """The study `controls`.

    Attributes:
        controls: every oracle.
        margins: analysis -> within which a contrast is `mixed`.
        blind: analysis -> why it says the same of every adapter.
        pairs, seed: test pairs that each oracle was read from; of the draws.
    """

    kind: Literal["controls"] = "controls"
    controls: tuple[Control, ...]
    margins: dict[str, float]
    blind: dict[str, str]
    pairs: int
    seed: int


def right(controls: tuple[Control, ...], analysis: str) -> dict[str, tuple[int, int]]:
    """Kind -> how many of its controls the analysis reads right, of how many."""
    found = {}
    for kind, wanted in RIGHT.items():
        readings = [one.readings[analysis] for one in controls if one.kind == kind]
        found[kind] = (sum(reading == wanted for reading in readings), len(readings))
    return found


def able(controls: tuple[Control, ...], analysis: str) -> bool:
    """Whether an analysis tells the kinds apart: four of five right, and no kind wrong in every draw."""
    counts = right(controls, analysis)
    good, whole = (sum(column) for column in zip(*counts.values(), strict=True))
    return good >= ENOUGH * whole and all(some for some, _ in counts.values())
