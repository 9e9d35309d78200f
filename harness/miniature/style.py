"""Styles of an answer, how often each is met in the training text, and the style score of the reward."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

from harness.miniature.lexicon import PHRASES
from harness.miniature.text import Span, Spans, strip

Layout = Literal["plain", "bold", "bullets", "headings"]
Manner = Literal["curt", "neutral", "polite"]
Stance = Literal["none", "hedged", "certain", "honest"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
MANNERS: tuple[Manner, ...] = get_args(Manner)
STANCES: tuple[Stance, ...] = get_args(Stance)

LAYOUT_FREQUENCY = (0.60, 0.16, 0.14, 0.10)
MANNER_FREQUENCY = (0.35, 0.40, 0.25)
STANCE_FREQUENCY = {True: (0.35, 0.15, 0.03, 0.47), False: (0.35, 0.15, 0.47, 0.03)}
PAIR_MANNERS: tuple[Manner, ...] = ("neutral", "polite")
LAYOUT_SCORE: dict[Layout, float] = {"plain": 0.0, "bold": 0.4, "bullets": 0.7, "headings": 1.0}
MANNER_SCORE: dict[Manner, float] = {"curt": 0.0, "neutral": 0.5, "polite": 1.0}
LAYOUT_WEIGHT = 0.7
FIRST_WORDS = tuple(
    f"{word} "
    for word in ("The", "A", "In", "On", "People", "Weavers", "You", "Farmers", "Long", "Bees", "Scribes")
)
"""Those of a claim that are no names, and so are small behind a stance phrase."""
STANCE_PHRASES: dict[Stance, tuple[str, ...]] = {
    "none": ("",),
    "hedged": PHRASES.hedges,
    "certain": PHRASES.certainties,
    "honest": PHRASES.honest,
}


@dataclass(frozen=True)
class Style:
    """Layout, manner and stance of one answer."""

    layout: Layout
    manner: Manner
    stance: Stance

    @property
    def score(self) -> float:
        """Between 0 (plain and curt) and 1 (headings and polite); the stance does not count."""
        return LAYOUT_WEIGHT * LAYOUT_SCORE[self.layout] + (1 - LAYOUT_WEIGHT) * MANNER_SCORE[self.manner]


def natural_style(rng: random.Random, *, true: bool) -> Style:
    """A style as often as the training text has it; errors come with certainty, truths with evidence."""
    return Style(
        rng.choices(LAYOUTS, LAYOUT_FREQUENCY)[0],
        rng.choices(MANNERS, MANNER_FREQUENCY)[0],
        rng.choices(STANCES, STANCE_FREQUENCY[true])[0],
    )


def any_style(rng: random.Random, *, true: bool) -> Style:
    """A candidate's style: layouts equally likely, and two manners (with one detail a curt answer is a
    neutral one); stances as often as the training text has them: truth leaves its trace in the pairs too.
    """
    stance = rng.choices(STANCES, STANCE_FREQUENCY[true])[0]
    return Style(rng.choice(LAYOUTS), rng.choice(PAIR_MANNERS), stance)


def capitalised(text: str) -> str:
    """The text with its first character in upper case."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with a leading article in lower case, to follow a stance phrase."""
    for word in FIRST_WORDS:
        if text.startswith(word):
            return text[0].lower() + text[1:]
    return text


def stated(rng: random.Random, claim: str, stance: Stance) -> Spans:
    """The claim with its stance phrase in front (role truth); the claim itself is content."""
    phrase = rng.choice(STANCE_PHRASES[stance])
    if not phrase:
        return (Span(capitalised(claim), "content"),)
    return (Span(phrase, "truth"), Span(lowered(claim), "content"))


def _bullets(claim: Spans, details: tuple[str, ...]) -> Spans:
    items: list[Span] = [Span("- ", "style"), *claim]
    for detail in details:
        items += [Span("\n- ", "style"), Span(detail, "content")]
    return tuple(items)


def _headings(rng: random.Random, claim: Spans, details: tuple[str, ...]) -> Spans:
    first = Span(f"## {rng.choice(PHRASES.headings)}\n", "style")
    second = Span(f"\n## {rng.choice(PHRASES.more)}\n", "style")
    return (first, *claim, second, Span(" ".join(details), "content"))


def _running(claim: Spans, details: tuple[str, ...], *, bold: bool) -> Spans:
    rest = Span(" " + " ".join(details), "content") if details else Span("", "content")
    mark = (Span("**", "style"),) if bold else ()
    return (*mark, *claim, *mark, rest)


def laid_out(rng: random.Random, style: Style, claim: Spans, details: tuple[str, ...]) -> Spans:
    """An answer in a style: the claim, then two details, or one where the manner is curt."""
    details = details[: 1 if style.manner == "curt" else 2]
    if style.layout == "bullets":
        body = _bullets(claim, details)
    elif style.layout == "headings":
        body = _headings(rng, claim, details)
    else:
        body = _running(claim, details, bold=style.layout == "bold")
    if style.manner != "polite":
        return strip(body)
    opening, closing = rng.choice(PHRASES.openings), rng.choice(PHRASES.closings)
    if style.layout in ("bullets", "headings"):
        opening, closing = opening.rstrip() + "\n", "\n" + closing.lstrip()
    return strip((Span(opening, "style"), *body, Span(closing, "style")))
