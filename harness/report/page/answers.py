"""The arms' answers: their table, and each prompt's answers with equal ones put together."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from harness.core.sheet import Sheet, line, numeric
from harness.findings.answers import Answer, GenerationsResult


class Grouped(NamedTuple):
    """An answer that some arms gave.

    Attributes:
        titles: of the arms.
        answer: the first one's, whose tokens carry its features.
        place: of it in the artefact.
        changed: places of the tokens that the first group's answer does not have.
        whole: whether every arm gave it.
    """

    titles: str
    answer: Answer
    place: int
    changed: frozenset[int]
    whole: bool


def grouped(result: GenerationsResult) -> tuple[tuple[Grouped, ...], ...]:
    """The answers to each prompt."""
    return tuple(_groups(one.answers, result) for one in result.conversations)


def _groups(answers: Sequence[Answer], result: GenerationsResult) -> tuple[Grouped, ...]:
    by_text: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        by_text.setdefault("".join(token.text for token in answer.tokens), []).append(place)
    first = answers[0] if answers else None
    return tuple(
        Grouped(
            titles=", ".join(result.titles[answers[place].arm] for place in places),
            answer=answers[places[0]],
            place=places[0],
            changed=_new(first, answers[places[0]]) if first else frozenset(),
            whole=len(places) == len(answers) > 1,
        )
        for places in by_text.values()
    )


def _new(first: Answer, other: Answer) -> frozenset[int]:
    """Tokens of an answer that stand not in the first one's order."""
    before, after = ([token.text for token in one.tokens] for one in (first, other))
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = {place for block in blocks for place in range(block.b, block.b + block.size)}
    return frozenset(range(len(after))) - kept


def table(result: GenerationsResult, href: str) -> Sheet:
    """Length and Markdown of each arm's answers."""
    rows = tuple(
        line(
            title,
            numeric(result.mean_tokens[arm], ".1f", f"/result/mean_tokens/{arm}"),
            numeric(result.mean_markdown[arm], ".0f", f"/result/mean_markdown/{arm}", 100),
        )
        for arm, title in result.titles.items()
    )
    headings = ("Arm", "Mean length (tokens)", "Mean share of lines with Markdown (%)")
    notes = (f"{len(result.conversations)} prompts, from the front of the test pairs.",)
    return Sheet("answers-means", "Length and Markdown of the answers", headings, rows, notes, href)
