"""What a part of a claim came to, and what several parts come to together."""

from __future__ import annotations

from typing import NamedTuple

from harness.paper.study_verdict import Answer, all_of


class Finding(NamedTuple):
    """What one predicate, or one measure of it, came to.

    Attributes:
        answer: the verdict of this part.
        evidence: one line for each measure.
        deciding_n: items that would decide it if it is inconclusive; None where no number would.
        beyond: for each measure without a difference worth knowing, the smallest difference that is one.
    """

    answer: Answer
    evidence: tuple[str, ...]
    deciding_n: int | None = None
    beyond: tuple[str, ...] = ()


def together(findings: list[Finding]) -> Finding:
    """All must hold; the evidence of each, and the items that would decide those that are undecided."""
    answer = all_of([finding.answer for finding in findings])
    evidence = tuple(line for finding in findings for line in finding.evidence)
    undecided = [finding.deciding_n for finding in findings if finding.answer == "inconclusive"]
    known = [n for n in undecided if n is not None]
    enough = max(known) if answer == "inconclusive" and len(known) == len(undecided) else None
    return Finding(answer, evidence, enough, tuple(one for finding in findings for one in finding.beyond))


def either(findings: list[Finding]) -> Finding:
    """One must hold: several readings of an ambiguous number."""
    order: tuple[Answer, ...] = ("reproduced", "inconclusive", "not reproduced", "untestable", "not run")
    best = min(findings, key=lambda finding: order.index(finding.answer))
    return best._replace(evidence=tuple(line for finding in findings for line in finding.evidence))
