"""From a paired difference to an answer: a direction, no difference worth knowing, or too few items."""

from __future__ import annotations

from harness.core.measures import Measure, measure
from harness.core.power import agreement_n, equivalence_n
from harness.core.statistics import LEVEL, Difference, deciding_n, spread
from harness.findings.outcome import Outcome
from harness.paper.claims import Direction
from harness.paper.finding import Finding


def side(predicate: Direction, name: str, outcome: Outcome) -> Finding:
    """The verdict on one measure; a significant difference is a direction, however small it is."""
    one = outcome.difference(predicate.arm, predicate.reference, name)
    what = measure(name)
    if one is None or one.p_holm is None:
        return Finding("not run", (f"{what.title} was not compared",))
    effect, low, high = (
        f"{number * what.scale:+.{what.decimals}f}" for number in (one.effect, one.low, one.high)
    )
    evidence = (
        f"{what.title}, {predicate.arm} - {predicate.reference}: {effect} [{low}, {high}] {what.step} "
        f"(95 % CI, uncorrected), p = {one.p_holm:.2g} after Holm, n = {one.n}, one training an arm"
    )
    size, equivalent, p = _equivalence(one, what)
    if one.p_holm < LEVEL and one.effect != 0:
        same = (one.effect > 0) == (predicate.sign > 0)
        small = f"; small: no difference beyond {size} (p = {p})" if equivalent else ""
        return Finding("reproduced" if same else "not reproduced", (evidence + small,))
    if equivalent:
        return Finding("equivalent", (f"{evidence}; none beyond {size} (p = {p})",), beyond=(size,))
    left = f"; one beyond {size} not excluded (p = {p})" if size else ""
    return Finding("inconclusive", (evidence + left,), _least_items(one, outcome))


def _equivalence(one: Difference, what: Measure) -> tuple[str, bool, str]:
    """The smallest difference worth knowing in words, whether none beyond it was seen, and the p value.

    Empty where no equivalence was tested, as in documents from before it was.
    """
    if one.smallest is None or one.p_equivalent_holm is None:
        return "", False, ""
    shown = f"{one.smallest * what.scale:g}"
    unit = "nats" if what.unit == "nats" else "point" if shown == "1" else "points"
    return f"{shown} {unit}", one.p_equivalent_holm < LEVEL, f"{one.p_equivalent_holm:.2g}"


def _least_items(one: Difference, outcome: Outcome) -> int | None:
    """Items for a direction or for equivalence, whichever needs fewer."""
    found = [deciding_n(one.effect, one.sd, family=outcome.comparisons.family)]
    if one.smallest is not None and one.p_equivalent is not None:
        binary, family = one.test == "exact McNemar", outcome.comparisons.equivalence_family
        if binary and one.sd == 0:
            found.append(agreement_n(one.smallest, family=family))
        else:
            sd = spread(one.sd, one.smallest, binary)
            found.append(equivalence_n(one.effect, sd, smallest=one.smallest, family=family))
    return min((n for n in found if n is not None), default=None)
