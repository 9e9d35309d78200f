"""From a claim about a study or a sweep and what they found to an answer, with the numbers behind it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from harness.findings import Finding
from harness.findings.activity import CONTEXTS, CompositionResult, UsageResult
from harness.findings.masked import TopKResult
from harness.findings.sweep import SweepPoint, SweepResult
from harness.paper.claims import (
    BestLayer,
    CompositionMoves,
    Decay,
    ElbowAt,
    Plateau,
    StudyPredicate,
    TradeOff,
)

Answer = Literal[
    "not reproduced",
    "arithmetic fails",
    "untestable",
    "not run",
    "equivalent",
    "inconclusive",
    "reproduced",
    "arithmetic holds",
]
"""In the order in which one settles a claim whose parts must all hold: one contradiction is enough, then one
part that cannot be tested or was not run, then one without a difference worth knowing, then one that is
undecided. The arithmetic is the paper's own."""

Found = tuple[Answer, tuple[str, ...]]
SESSIONS = {
    "table2": "reproduce-table2",
    "figure2": "reproduce-figure2",
    "figure5": "reproduce-figure5",
    "sweep-alpha": "reproduce-figure4",
    "sweep-layer": "reproduce-figure4",
}
"""The session of the noxfile that makes a study."""


def all_of(answers: Iterable[Answer]) -> Answer:
    """The answer of a claim from those of its parts, which must all hold; "not run" where there are none."""
    return min(answers, key=get_args(Answer).index, default="not run")


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


def composition(predicate: CompositionMoves, result: CompositionResult) -> Found:
    """Every context's relative change against the sign; a context that was not measured is not run."""
    said = {}
    for row in result.judged():
        if row.category == predicate.category:
            one = row.change
            low, high = sorted((predicate.sign * one.low, predicate.sign * one.high))
            line = f"{100 * one.value:+.2f} % [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
            said[row.context] = _above_zero(low, high), line
    return _in_every_context(said)


def plateau(predicate: Plateau, result: TopKResult) -> Found:
    """The fewest features against the learned policy, then what is left from `fraction` on."""
    points = sorted((p for p in result.points if p.policy == "dynamic"), key=lambda p: p.fraction)
    late = [point for point in points if point.fraction >= predicate.fraction]
    if not late or late == points:
        return "not run", ("Figure 2 has no points on both sides of the fraction",)
    first, left = points[0], max(point.difference for point in late)
    level: Answer = "reproduced" if left <= predicate.share * first.difference else "not reproduced"
    lines = (
        f"{100 * first.fraction:g} % of the features: {first.difference:+.3f} nats "
        f"[{first.low:+.3f}, {first.high:+.3f}] above the learned policy",
        f"from {100 * predicate.fraction:g} % on at most {left:+.3f} nats",
    )
    return all_of([_above_zero(first.low, first.high), level]), lines


def decay(predicate: Decay, result: UsageResult) -> Found:
    """R² of the fit over all features in each context; a context that was not measured is not run."""
    said: dict[str, tuple[Answer, str]] = {}
    for curve in (one for one in result.curves if one.group == "all"):
        if curve.r2 is None or curve.slope is None:
            said[curve.context] = "inconclusive", "too few features for a fit"
        else:
            holds = curve.r2 >= predicate.r2 and curve.slope < 0
            said[curve.context] = "reproduced" if holds else "not reproduced", f"R² {curve.r2:.3f}"
    answer, lines = _in_every_context(said)
    return answer, (*lines, f"wanted: R² of at least {predicate.r2:g}, this harness' own bound")


def _above_zero(low: float, high: float) -> Answer:
    return "reproduced" if low > 0 else "not reproduced" if high < 0 else "inconclusive"


def _in_every_context(said: Mapping[str, tuple[Answer, str]]) -> Found:
    found = {title: said.get(name, ("not run", "not measured")) for name, title in CONTEXTS.items()}
    lines = tuple(f"{title}: {line}" for title, (_, line) in found.items())
    return all_of(answer for answer, _ in found.values()), lines


JUDGES: dict[type[StudyPredicate], tuple[str, Callable[[Any, Any], Found]]] = {
    CompositionMoves: ("table2", composition),
    Plateau: ("figure2", plateau),
    Decay: ("figure5", decay),
    BestLayer: ("sweep-layer", best_layer),
    TradeOff: ("sweep-alpha", lambda _, sweep: trade_off(sweep)),
    ElbowAt: ("sweep-alpha", elbow_at),
}
"""The study that decides a predicate, and how."""
STUDIES = {CompositionResult: "table2", TopKResult: "figure2", UsageResult: "figure5"}


def find_in_studies(predicate: StudyPredicate, studies: Sequence[Finding]) -> Found:
    """What the studies say about a predicate: the answer, and one line for each number."""
    study, judge = JUDGES[type(predicate)]
    for one in studies:
        if study == (f"sweep-{one.axis}" if isinstance(one, SweepResult) else STUDIES.get(type(one))):
            return judge(predicate, one)
    return "not run", (f"this run has no finished study `{study}`: needs `nox -s {SESSIONS[study]}`",)
