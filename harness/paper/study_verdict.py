"""From a claim about a study or a sweep and what they found to an answer, with the numbers behind it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar, get_args

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
    "inconclusive",
    "reproduced",
    "arithmetic holds",
]
"""In the order in which one settles a claim whose parts must all hold: one contradiction is enough, then one
part that cannot be tested or was not run, then one that is undecided. The arithmetic is the paper's own."""

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


Kind = TypeVar("Kind", CompositionResult, TopKResult, UsageResult)


def find_in_studies(predicate: StudyPredicate, studies: Sequence[Finding]) -> Found:
    """What the studies say about a predicate: the answer, and one line for each number."""
    if isinstance(predicate, CompositionMoves):
        table = _only(studies, CompositionResult)
        return _missing("table2") if table is None else composition(predicate, table)
    if isinstance(predicate, Plateau):
        curve = _only(studies, TopKResult)
        return _missing("figure2") if curve is None else plateau(predicate, curve)
    if isinstance(predicate, BestLayer | TradeOff | ElbowAt):
        return _sweep(predicate, studies)
    usage = _only(studies, UsageResult)
    return _missing("figure5") if usage is None else decay(predicate, usage)


def _sweep(predicate: BestLayer | TradeOff | ElbowAt, studies: Sequence[Finding]) -> Found:
    axis = "layer" if isinstance(predicate, BestLayer) else "alpha"
    sweeps = (one for one in studies if isinstance(one, SweepResult) and one.axis == axis)
    found = next(sweeps, None)
    if found is None:
        return _missing(f"sweep-{axis}")
    if isinstance(predicate, BestLayer):
        return best_layer(predicate, found)
    return trade_off(found) if isinstance(predicate, TradeOff) else elbow_at(predicate, found)


def composition(predicate: CompositionMoves, result: CompositionResult) -> Found:
    """Every context's relative change against the sign; a context that was not measured is not run."""
    found = {
        row.context: row.change
        for row in result.rows
        if row.category == predicate.category and row.way == "examples"
    }
    answers: list[Answer] = []
    lines = []
    for context, title in CONTEXTS.items():
        one = found.get(context)
        if one is None:
            answers.append("not run")
            lines.append(f"{title}: not measured")
            continue
        low, high = sorted((predicate.sign * one.low, predicate.sign * one.high))
        answers.append("reproduced" if low > 0 else "not reproduced" if high < 0 else "inconclusive")
        lines.append(f"{title}: {100 * one.value:+.2f} % [{100 * one.low:+.2f}, {100 * one.high:+.2f}]")
    return all_of(answers), tuple(lines)


def plateau(predicate: Plateau, result: TopKResult) -> Found:
    """The fewest features against the learned policy, then what is left from `fraction` on."""
    points = sorted((p for p in result.points if p.policy == "dynamic"), key=lambda p: p.fraction)
    late = [point for point in points if point.fraction >= predicate.fraction]
    if not late or late == points:
        return "not run", ("Figure 2 has no points on both sides of the fraction",)
    first, left = points[0], max(point.difference for point in late)
    early: Answer = "reproduced" if first.low > 0 else "not reproduced" if first.high < 0 else "inconclusive"
    level: Answer = "reproduced" if left <= predicate.share * first.difference else "not reproduced"
    lines = (
        f"{100 * first.fraction:g} % of the features: {first.difference:+.3f} nats "
        f"[{first.low:+.3f}, {first.high:+.3f}] above the learned policy",
        f"from {100 * predicate.fraction:g} % on at most {left:+.3f} nats",
    )
    return all_of([early, level]), lines


def decay(predicate: Decay, result: UsageResult) -> Found:
    """R² of the fit over all features in each context; a context that was not measured is not run."""
    fits = {curve.context: curve for curve in result.curves if curve.group == "all"}
    answers: list[Answer] = []
    lines = []
    for context, title in CONTEXTS.items():
        curve = fits.get(context)
        if curve is None:
            answers.append("not run")
            lines.append(f"{title}: not measured")
        elif curve.r2 is None or curve.slope is None:
            answers.append("inconclusive")
            lines.append(f"{title}: too few features for a fit")
        else:
            holds = curve.r2 >= predicate.r2 and curve.slope < 0
            answers.append("reproduced" if holds else "not reproduced")
            lines.append(f"{title}: R² {curve.r2:.3f}")
    return all_of(answers), (*lines, f"wanted: R² of at least {predicate.r2:g}, this harness' own bound")


def _only(studies: Sequence[Finding], kind: type[Kind]) -> Kind | None:
    return next((finding for finding in studies if isinstance(finding, kind)), None)


def _missing(study: str) -> Found:
    return "not run", (f"this run has no finished study `{study}`: needs `nox -s {SESSIONS[study]}`",)
