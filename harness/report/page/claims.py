"""The paper's claims on the page: signs and words of a verdict, their counts, the tables of all claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.core.sheet import Cell, Row, Sheet, line
from harness.findings.outcome import Outcome
from harness.paper.study_verdict import Answer
from harness.paper.verdict import Verdict
from harness.report.page.blocks import Folded, Part, Section
from harness.report.verdict_tables import verdict_table

SIGNS: dict[Answer, str] = {
    "reproduced": "✓",
    "not reproduced": "✗",
    "inconclusive": "~",
    "equivalent": "=",
    "arithmetic holds": "≡",
    "arithmetic fails": "≢",
    "not run": "○",
    "untestable": "·",
}
"""A verdict is never told by its colour alone."""
SHORT: dict[Answer, str] = {
    "reproduced": "same direction",
    "not reproduced": "opposite direction",
    "equivalent": "no difference",
}
"""In a word or two, of a run that is not the paper's own; which model it is about stands above."""
HEADLINES = 8
"""Claims on the first screen: the paper's first ones that a run can test, which are those about Table 1."""
SILENT = ("not run", "untestable")


class Told(NamedTuple):
    """A verdict on one line: the answer for the style sheet, its sign and word, what it is about."""

    answer: str
    sign: str
    word: str
    text: str
    claim: str


def word(one: Verdict) -> str:
    """The verdict in a word or two."""
    if one.about_paper:
        return "no difference" if one.answer == "equivalent" else one.answer
    return SHORT.get(one.answer, one.answer)


def counts(verdicts: Sequence[Verdict]) -> tuple[Told, ...]:
    """How many claims have which verdict, in the order of `SIGNS`; verdicts of no claim are left out."""
    found = Counter(one.answer for one in verdicts)
    words = {one.answer: word(one) for one in verdicts}
    return tuple(Told(a, SIGNS[a], words[a], str(found[a]), "") for a in SIGNS if found[a])


def headlines(verdicts: Sequence[Verdict]) -> tuple[Told, ...]:
    """The verdicts on the first claims that this run could test."""
    tested = [one for one in verdicts if one.status == "direction only" and one.answer not in SILENT]
    return tuple(
        Told(one.answer, SIGNS[one.answer], word(one), one.sentence, one.claim) for one in tested[:HEADLINES]
    )


def part(outcome: Outcome, verdicts: Sequence[Verdict], beside: Mapping[str, Sequence[Verdict]]) -> Part:
    """Every claim: those with a verdict or waiting for one, and, folded, those that no run could test.

    Args:
        beside: verdicts of other models on the same claims, by the model's title: a column each.
    """
    full = verdict_table(outcome, verdicts)
    open_ones = [one for one in verdicts if one.answer != "untestable"]
    closed = [one for one in verdicts if one.answer == "untestable"]
    note = full.notes[3:]  # the first three are the run's, which the page has above
    table = _table("verdicts", "Claims with a verdict, or one to come", open_ones, beside)._replace(
        notes=tuple(note)
    )
    blocks: list[Sheet | Folded] = [table]
    if closed:
        title = f"{len(closed)} claims that no run could test, each with the reason"
        rest = _table("untestable", title, closed, beside)
        blocks.append(Folded("untestable-claims", title, (rest,)))
    intro = f"What this run says about each of the paper's {len(verdicts)} claims."
    return Part("claims", "Claims", (Section("verdict-table", "Claims", intro, tuple(blocks)),))


def _table(
    name: str, title: str, verdicts: Sequence[Verdict], beside: Mapping[str, Sequence[Verdict]]
) -> Sheet:
    others = {model: {one.claim: one for one in found} for model, found in beside.items()}
    rows = tuple(_row(one, [by_claim.get(one.claim) for by_claim in others.values()]) for one in verdicts)
    headings = ("Claim", "Verdict", *others, "Evidence", "Status in the paper", "n to decide")
    return Sheet(name, title, headings, rows)


def _row(one: Verdict, others: Sequence[Verdict | None]) -> Row:
    deciding = one.deciding_n if one.answer == "inconclusive" else None
    return line(
        Cell(one.sentence, kind=f"claim-{one.claim}"),
        _cell(one),
        *(Cell("not judged") if other is None else _cell(other) for other in others),
        Cell("\n".join([*one.findings, *([one.remark] if one.remark else [])]), kind="evidence"),
        f"{one.status} ({one.source})",
        Cell("") if deciding is None else Cell(f"{deciding:,}", number=deciding),
    )


def _cell(one: Verdict) -> Cell:
    return Cell(one.label, kind=f"verdict {one.answer.replace(' ', '-')}", sign=SIGNS[one.answer])
