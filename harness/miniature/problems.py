"""Word problems of one and two steps with small numbers, a rationale and ``#### N``."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from harness.miniature.lexicon import LEXICON

OBJECTS, BOXES = LEXICON.problems["objects"], LEXICON.problems["boxes"]


class Problem(NamedTuple):
    """A question and its answer: a rationale, a newline and ``#### N``."""

    question: str
    answer: str


class Numbers(NamedTuple):
    """The smallest and the largest number that a problem gives."""

    low: int
    high: int


TRAINED = Numbers(1, 9)
WIDE = Numbers(10, 19)
"""Two-digit numbers, rare in the training text."""
LARGE = Numbers(10, 24)
"""Those and some larger than any of the training text."""


def _step(a: int, sign: str, b: int) -> tuple[str, int]:
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return f"{a}{sign}{b}=<<{a}{sign}{b}={result}>>{result}", result


def _more(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a, b = rng.randint(*of), rng.randint(*of)
    step, total = _step(a, "+", b)
    return Problem(
        f"{n} has {a} {x}. {m} gives {n} {b} more. How many {x} does {n} have now?",
        f"{n} has {step} {x}.\n#### {total}",
    )


def _less(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a = rng.randint(of.low + 1, of.high + 6)
    b = rng.randint(of.low, min(a - 1, of.high))
    step, left = _step(a, "-", b)
    return Problem(
        f"{n} has {a} {x}. {n} gives {b} to {m}. How many {x} are left?",
        f"{n} has {step} {x} left.\n#### {left}",
    )


def _bags(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a, b, box = rng.randint(2, 5), rng.randint(of.low + 1, of.high), rng.choice(BOXES)
    step, total = _step(a, "*", b)
    return Problem(
        f"{n} and {m} fill {a} {box} with {b} {x} each. How many {x} do they need?",
        f"They need {step} {x}.\n#### {total}",
    )


def _together(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a, b = rng.randint(*of), rng.randint(*of)
    first, other = _step(a, "+", b)
    second, total = _step(a, "+", other)
    return Problem(
        f"{n} has {a} {x}. {m} has {b} {x} more than {n}. How many {x} do they have together?",
        f"{m} has {first} {x}. Together they have {second} {x}.\n#### {total}",
    )


def _in_and_out(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a, b = rng.randint(*of), rng.randint(*of)
    first, middle = _step(a, "+", b)
    c = rng.randint(of.low, min(middle - 1, of.high))
    second, left = _step(middle, "-", c)
    return Problem(
        f"{n} finds {a} {x} and buys {b} more. Then {n} gives {c} to {m}. How many {x} does {n} have now?",
        f"{n} had {first} {x}. Now {n} has {second} {x}.\n#### {left}",
    )


def _bags_and_more(rng: random.Random, n: str, m: str, x: str, of: Numbers) -> Problem:
    a, b, c, box = rng.randint(2, 5), rng.randint(of.low + 1, of.high), rng.randint(*of), rng.choice(BOXES)
    first, middle = _step(a, "*", b)
    second, total = _step(middle, "+", c)
    return Problem(
        f"{n} fills {a} {box} with {b} {x} each. {m} brings {c} more. How many {x} are there now?",
        f"{n} has {first} {x}. Now there are {second} {x}.\n#### {total}",
    )


FORMS: tuple[tuple[Callable[[random.Random, str, str, str, Numbers], Problem], float], ...] = (
    (_more, 0.25),
    (_less, 0.2),
    (_bags, 0.15),
    (_together, 0.15),
    (_in_and_out, 0.15),
    (_bags_and_more, 0.1),
)


def make_problem(rng: random.Random, people: tuple[str, ...], numbers: Numbers = TRAINED) -> Problem:
    """One problem about two of the people."""
    form = rng.choices([f for f, _ in FORMS], [w for _, w in FORMS])[0]
    n, m = rng.sample(people, 2)
    return form(rng, n, m, rng.choice(OBJECTS), numbers)
