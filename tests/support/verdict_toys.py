"""Verdicts of the paper's claims on outcomes with some differences replaced."""

from __future__ import annotations

from harness.core.statistics import Difference
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import Verdict, judge


def difference(effect: float, p_holm: float, sd: float = 0.5, n: int = 400) -> Difference:
    return Difference(
        effect=effect,
        low=effect - 0.01,
        high=effect + 0.01,
        sd=sd,
        n=n,
        test="exact McNemar",
        p=p_holm / 2,
        p_holm=p_holm,
    )


def with_differences(outcome: Outcome, changes: dict[tuple[str, str, str], Difference]) -> Outcome:
    """The outcome with some paired differences replaced, by arm, reference and measure."""
    found = {
        arm: {reference: dict(names) for reference, names in by_reference.items()}
        for arm, by_reference in outcome.comparisons.differences.items()
    }
    for (arm, reference, name), one in changes.items():
        found[arm][reference][name] = one
    comparisons = outcome.comparisons.model_copy(update={"differences": found})
    return outcome.model_copy(update={"comparisons": comparisons})


def verdict(outcome: Outcome, claim: str) -> Verdict:
    return {one.claim: one for one in judge(read_paper(), outcome)}[claim]


def as_paper(outcome: Outcome) -> Outcome:
    paper = read_paper()
    return outcome.model_copy(update={"profile": paper.profile, "model": paper.model})
