"""How numbers are written into cells."""

from __future__ import annotations

from harness.findings import Interval
from harness.page.blocks import Cell

NOT_PRINTED = Cell("not printed")


def percent(value: float, decimals: int = 2, sign: str = "") -> str:
    return f"{100 * value:{sign}.{decimals}f}"


def interval(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 [17.50, 17.68]`, in percent."""
    text = f"{percent(one.value, 2, sign)} [{percent(one.low, 2, sign)}, {percent(one.high, 2, sign)}]"
    return Cell(text, f"{pointer}/value", one.value)


def plain_error(one: Interval, pointer: str, sign: str = "") -> Cell:
    return Cell(f"{percent(one.value, 2, sign)} ±{percent(one.stderr)}", f"{pointer}/value", one.value)
