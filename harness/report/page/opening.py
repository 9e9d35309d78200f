"""The first screen: does the claim hold, in which run, by how much, and on which items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.core.measures import BASE, measure
from harness.findings.items import Changes, ItemsResult
from harness.findings.outcome import Outcome
from harness.findings.seeds import SeedResult
from harness.paper.claims import Paper
from harness.paper.verdict import Verdict
from harness.report.differences_figure import forest
from harness.report.page import charts, training
from harness.report.page.blocks import Picture
from harness.report.page.claims import Told, counts, headlines
from harness.report.palette import styles
from harness.report.tables import commits, threads_used

QUESTION = "Does FSRL hold here?"
MOST_ARMS = 4
"""Arms on the first screen; the others are in the comparison of all arms."""
FILES = ("table1.csv", "verdicts.csv", "table1.json", "table1.tex")


class Fact(NamedTuple):
    """A piece of the provenance line; with a link where there is something behind it."""

    text: str
    href: str = ""


class Bar(NamedTuple):
    """Items of a measure on which an arm is better, worse and equal, and their shares in percent."""

    arm: str
    variable: str
    changes: Changes
    better: float
    worse: float


class Changed(NamedTuple):
    """A measure's bars; `anchor` is its list of items, empty where there is none."""

    title: str
    anchor: str
    bars: tuple[Bar, ...]


class Opening(NamedTuple):
    """What the first screen shows, from top to bottom."""

    question: str
    subject: str
    facts: tuple[Fact, ...]
    note: str
    counts: tuple[Told, ...]
    claims: int
    headlines: tuple[Told, ...]
    pictures: tuple[Picture, ...]
    changed: tuple[Changed, ...]


def opening(
    outcome: Outcome,
    href: str,
    paper: Paper,
    verdicts: Sequence[Verdict],
    *,
    seeds: SeedResult | None,
    items: ItemsResult | None,
    cited: bool,
) -> Opening:
    """The first screen of a run.

    Args:
        href: of Table 1's document as seen from the page.
        seeds, items: where the run has them.
        cited: whether the page has a section on how to cite.
    """
    return Opening(
        question=QUESTION,
        subject=outcome.title,
        facts=facts(outcome, href, paper, seeds, cited=cited),
        note=outcome.note,
        counts=counts(verdicts),
        claims=len(verdicts),
        headlines=headlines(verdicts),
        pictures=(*_effects(outcome, href, seeds), *training.curve(outcome, href)),
        changed=changed(outcome, items, first_arms(outcome)),
    )


def first_arms(outcome: Outcome) -> list[str]:
    """The arms of the first screen: those that the profile names first, without the base."""
    return [name for name in outcome.arms if name != BASE][:MOST_ARMS]


def facts(
    outcome: Outcome, href: str, paper: Paper, seeds: SeedResult | None, *, cited: bool
) -> tuple[Fact, ...]:
    """Where the numbers are from, in one line."""
    total = outcome.arms[next(iter(outcome.arms))].evaluation_usage.total_parameters
    seconds = outcome.prepare_s + sum(arm.train_s + arm.evaluate_s for arm in outcome.arms.values())
    several = f", and {len(seeds.seeds)} seeds beside it" if seeds else ""
    folder = href.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    return (
        Fact(f"a rerun of {paper.reference}", paper_link(paper)),
        Fact(f"{total / 1e6:,.1f} M parameters"),
        Fact(f"one training an arm, seed {outcome.seed}{several}"),
        Fact(f"protocol {outcome.protocol}"),
        Fact(outcome.hardware + threads_used(outcome).replace(" · ", ", ")),
        Fact(f"commit {commits(outcome.commits, outcome.dirty)}"),
        *((Fact(outcome.date),) if outcome.date else ()),
        Fact(f"{seconds:,.0f} s"),
        Fact("settings", "#settings"),
        *((Fact("cite", "#cite"),) if cited else ()),
        *(Fact(name, f"{prefix}{name}") for name in FILES),
    )


def paper_link(paper: Paper) -> str:
    """The paper's address, from its arXiv number; empty where the reference has none."""
    found = re.search(r"arXiv (\d{4}\.\d{4,5})", paper.reference)
    return f"https://arxiv.org/abs/{found[1]}" if found else ""


def _effects(outcome: Outcome, href: str, seeds: SeedResult | None) -> tuple[Picture, ...]:
    """The forest plot; none where there is no arm but the base."""
    arms = first_arms(outcome)
    if not arms:
        return ()
    svg, png = charts.drawn("effects", lambda: forest(outcome, arms, seeds, width=charts.OPENING))
    thin = "; thin: 95 % over training seeds, same items" if seeds else ""
    alt = f"95 % interval over items, one training{thin}; filled: p < 0.05 after Holm."
    return (Picture("effects", "Effect against the base model", svg, png, alt, (), href),)


def changed(outcome: Outcome, items: ItemsResult | None, arms: Sequence[str]) -> tuple[Changed, ...]:
    """Which items an arm answers better and worse than the base; nothing where that was not kept."""
    looks = styles(outcome.arms)
    return tuple(
        Changed(
            measure(part.measure).title,
            f"items-{part.measure.replace('.', '-')}" if part.shown else "",
            tuple(
                _bar(outcome.arms[arm].title, looks[arm].variable, part.changes[arm], part.items)
                for arm in arms
                if arm in part.changes
            ),
        )
        for part in (items.parts if items else ())
    )


def _bar(title: str, variable: str, found: Changes, items: int) -> Bar:
    better, worse = (100 * one / max(1, items) for one in (found.better, found.worse))
    return Bar(title, variable, found, round(better, 2), round(worse, 2))
