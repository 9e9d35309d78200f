"""The items that changed, each with its question, its options and what every arm made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.measures import BASE, LOSS, Measure, measure
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.findings.items import Answered, Item, ItemsResult, MeasureItems
from harness.findings.outcome import Outcome
from harness.report.page.blocks import Items, Part, Section, ShownItem
from harness.report.palette import styles

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SOME = 0.0005
"""A difference that would be printed as 0 is not told."""


def part(outcome: Outcome, items: ItemsResult | None, href: str) -> Part:
    """A folded list for each measure; a line that says why where there is none."""
    if items is None or not any(one.shown for one in items.parts):
        why = (
            "These results hold no texts of items: they were committed or evaluated before the logs kept "
            "them. Evaluate and report again to see them."
        )
        return Part("items", "Items", (Section("items-none", "Items", why, ()),), True)
    blocks = tuple(_items(one, place, outcome, href) for place, one in enumerate(items.parts) if one.shown)
    intro = (
        f"At most {items.most} items of a measure, those first on which an arm differs most from the base. "
        "Every item is in the sample logs of the run folder."
    )
    return Part("items", "Items", (Section("item-lists", "Items", intro, blocks),), True)


def _items(found: MeasureItems, place: int, outcome: Outcome, href: str) -> Items:
    column = measure(found.measure)
    shown = tuple(
        _shown(one, column, f"/parts/{place}/shown/{i}", outcome, href) for i, one in enumerate(found.shown)
    )
    title = f"{column.title}: {len(shown)} of {found.items:,} items"
    return Items(f"items-{found.measure.replace('.', '-')}", title, shown, ())


def _shown(item: Item, column: Measure, at: str, outcome: Outcome, href: str) -> ShownItem:
    correct = set(item.correct)
    rows = tuple(
        _row(arm, item.answers[arm], item, column, f"{at}/answers/{arm}", outcome)
        for arm in outcome.arms
        if arm in item.answers
    )
    third = "Answer" if not item.options else "Reward of each" if column.name == LOSS else "Share of each"
    headings = (
        "Arm",
        f"{column.title} ({column.unit})",
        *(() if not item.options else ("Most likely",)),
        third,
    )
    table = Sheet(f"item{at.replace('/', '-')}", f"Every arm on {item.name}", headings, rows, (), href)
    options = tuple((f"{LETTERS[i % 26]}. {text}", i in correct) for i, text in enumerate(item.options))
    return ShownItem(item.name, lead(item, column, outcome), item.question, options, item.target, table)


def lead(item: Item, column: Measure, outcome: Outcome) -> str:
    """What each arm made of an item: its score, and for the arms but the base by how much it differs."""
    base = item.answers[BASE].score
    told = [f"Base {_score(base, column)}"]
    for arm in (name for name in outcome.arms if name != BASE and name in item.answers):
        score = item.answers[arm].score
        better = (score < base) == column.lower_is_better
        sign = "=" if abs(score - base) < SOME else "▲ better" if better else "▼ worse"
        told.append(f"{outcome.arms[arm].title} {_score(score, column)} {sign}")
    return " · ".join(told)


def _score(value: float, column: Measure) -> str:
    return f"{value * column.scale:.{column.decimals}f}"


def _row(arm: str, one: Answered, item: Item, column: Measure, at: str, outcome: Outcome) -> Row:
    kind = styles(outcome.arms)[arm].variable.removeprefix("--")
    score = numeric(one.score, f".{column.decimals}f", f"{at}/score", column.scale)
    head = (Cell(outcome.arms[arm].title, kind=f"arm {kind}"), score)
    if not item.options:
        return line(*head, Cell(one.text or "(nothing)", kind="said"))
    chosen = "none" if one.option is None else LETTERS[one.option % 26]
    right = one.option is not None and one.option in item.correct
    mark = Cell(chosen, f"{at}/option", kind="right" if right else "wrong", sign="✓" if right else "✗")
    return line(*head, mark, _each(one.values, column))


def _each(values: Sequence[float], column: Measure) -> str:
    """Rewards of the two answers of a pair; of a task's options their shares of probability."""
    if column.name == LOSS:
        return " · ".join(f"{LETTERS[i]} {value:+.2f}" for i, value in enumerate(values))
    return " · ".join(f"{LETTERS[i % 26]} {100 * one:.0f} %" for i, one in enumerate(shares(values)))


def shares(logprobs: Sequence[float]) -> list[float]:
    """Each option's share of the probability that all have together."""
    if not logprobs:
        return []
    most = max(logprobs)
    weights = [math.exp(one - most) for one in logprobs]
    return [one / sum(weights) for one in weights]
