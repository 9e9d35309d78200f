"""From a run's outcome and verdicts to tables: all claims, and those that a run could test. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.core.sheet import Cell, Sheet, line, numeric
from harness.findings.outcome import Outcome
from harness.paper.verdict import Verdict
from harness.report.tables import notes


def verdict_table(outcome: Outcome, verdicts: Sequence[Verdict]) -> Sheet:
    """What this run says about each claim of the paper."""
    headings = ("Claim", "Status in the paper", "Verdict", "n to decide", "Evidence")
    rows = tuple(
        line(
            one.sentence, f"{one.status} ({one.source})", one.label, _deciding(one), one.evidence, group=True
        )
        for one in verdicts
    )
    scope = (
        "This run has the paper's profile: its verdicts are about the paper."
        if any(one.about_paper and one.status == "direction only" for one in verdicts)
        else "Verdicts about this run, not about the paper: `this model` is the one that this run trained."
    )
    remarks = (
        *notes(outcome),
        f"{scope} `arithmetic holds`: the paper's own printed numbers agree with one another; nothing ran.",
        "Intervals in square brackets: 95 %, uncorrected, so that one may leave out 0 where p is above 0.05. "
        f"p values: two-sided, Holm-corrected over {outcome.comparisons.family} tests; `n to decide`: items "
        "for 80 % power at the corrected level if the observed effect is the true one.",
        *_equivalence_note(outcome),
    )
    return Sheet("verdicts", f"The paper's claims. {outcome.title}", headings, rows, remarks)


def _equivalence_note(outcome: Outcome) -> tuple[str, ...]:
    tests = outcome.comparisons.equivalence_family
    if not tests:
        return ()
    return (
        "`no difference beyond`: two one-sided tests against the smallest difference worth knowing (its "
        f"reason is in results/paper.json), Holm-corrected over {tests} tests of their own; `n to decide` is "
        "the smaller of the numbers for a difference and for none.",
    )


def verdict_summary(outcome: Outcome, verdicts: Sequence[Verdict]) -> Sheet:
    """The verdicts on one screen: only claims that this run could test, and how many it could not."""
    full = verdict_table(outcome, verdicts)
    tested = [one for one in verdicts if one.answer not in ("not run", "untestable")]
    rows = tuple(
        line(one.sentence, one.label, _deciding(one), "\n".join(one.findings), group=True) for one in tested
    )
    counts = Counter(f"{one.status}: {one.answer}" for one in verdicts if one not in tested)
    others = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    untested = len(verdicts) - len(tested)
    rest = f"{untested} more claims have no verdict here ({others}); the report's verdicts.md has them all."
    headings = ("Claim", "Verdict", "n to decide", "Evidence")
    return full._replace(headings=headings, rows=rows, notes=(*full.notes, rest))


def _deciding(one: Verdict) -> Cell:
    return Cell("") if one.answer != "inconclusive" else numeric(one.deciding_n, ",")
