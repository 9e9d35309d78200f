"""Linear probes: which attributes of an answer can be read from the residual stream."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record


class Probe(Record):
    """One probe.

    Attributes:
        arm, layer: whose residual stream, after which block.
        attribute: what is read.
        accuracy: share of answers on subjects that the probe was not trained on; its interval is over folds.
        chance: share of the commonest class.
        classes: how many there are.
    """

    arm: str
    layer: int
    attribute: str
    accuracy: Interval
    chance: float
    classes: int


class ProbesResult(Record):
    """The study `probe`.

    Attributes:
        layer: the SAE's.
        answers: how many were read; folds: of the cross-validation, which split by subject.
    """

    kind: Literal["probes"] = "probes"
    probes: tuple[Probe, ...]
    layer: int
    answers: int
    folds: int
