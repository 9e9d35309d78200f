"""An estimate and its interval."""

from __future__ import annotations

from harness.core.results import Record


class Interval(Record):
    """An estimate with its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float
