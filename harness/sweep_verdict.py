"""From a claim about Figure 4 and a sweep to an answer, with the numbers behind it."""

from __future__ import annotations

import itertools
import math
from typing import Literal

from harness.claims import BestLayer, ElbowAt
from harness.findings import SweepPoint, SweepResult

Answer = Literal["reproduced", "not reproduced", "inconclusive", "not run", "untestable"]
Found = tuple[Answer, tuple[str, ...]]


def best_layer(predicate: BestLayer, sweep: SweepResult) -> Found:
    """The layer nearest to the depth against the others, by loss with penalty."""
    middle = min(sweep.points, key=lambda p: abs((p.value + 1) / sweep.blocks - predicate.depth))
    lines = tuple(
        f"layer {point.value:g} of {sweep.blocks} blocks: {point.penalised_loss:.3f} nats with penalty"
        f"{_above(point, sweep)}"
        for point in sweep.points
    )
    others = [point for point in sweep.points if point is not middle]
    answer: Answer = "inconclusive"
    if middle.value == sweep.least and all(point.above.low > 0 for point in others):
        answer = "reproduced"
    elif middle.value != sweep.least and middle.above.low > 0:
        answer = "not reproduced"
    return answer, (*lines, f"the layer nearest to half the depth is {middle.value:g}")


def trade_off(sweep: SweepResult) -> Found:
    """Mean L0 and loss without penalty along alpha."""
    first, last = sweep.points[0], sweep.points[-1]
    l0s = [point.mean_l0 for point in sweep.points]
    falls = all(later < earlier for earlier, later in itertools.pairwise(l0s))
    lines = tuple(
        f"alpha {point.value:g}: mean L0 {point.mean_l0:.1f}, {point.loss:.3f} nats{_above(point, sweep)}"
        for point in sweep.points
    )
    if falls and last.above.low > 0:
        return "reproduced", lines
    contradicted = last.mean_l0 > first.mean_l0 or last.value == sweep.least
    return "not reproduced" if contradicted else "inconclusive", lines


def elbow_at(predicate: ElbowAt, sweep: SweepResult) -> Found:
    """The elbow that the sweep's rule found."""
    elbow = sweep.elbow
    if elbow is None or elbow.alpha is None:
        return "inconclusive", ("no elbow" if elbow is None else f"{elbow.rule}: {elbow.reason}",)
    line = f"{elbow.rule}: elbow at alpha {elbow.alpha:g}"
    if math.isclose(elbow.alpha, predicate.alpha):
        return "reproduced", (line,)
    if not any(math.isclose(point.value, predicate.alpha) for point in sweep.points):
        return "inconclusive", (line, f"alpha {predicate.alpha:g} is not among the points")
    return "not reproduced", (line,)


def _above(point: SweepPoint, sweep: SweepResult) -> str:
    if point.value == sweep.least:
        return " (the least)"
    one = point.above
    return f" ({one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}] above the least)"
