"""Attributes counted by hand in texts that are easy to miscount."""

from __future__ import annotations

import pytest

from harness.audit.attributes import COUNTED
from harness.miniature.lexicon import PHRASES

FENCED = "Run:\n```python\n# not a heading\n- not an item\nx = a**b * c**d\n```\nDone with `x`."


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("words", "", 0),
        ("words", "One  two\nthree-four, five.", 4),
        ("headings", "# A\ntext\n## B\n   ### three blanks\n", 3),
        ("headings", "#no blank\n####### seven\n    # four blanks\nin # the line", 0),
        ("headings", FENCED, 0),
        ("list items", "- a\n* b\n+ c\n1. d\n2) e\n  - f", 6),
        ("list items", "**bold** first\n-no blank\n3.14 is pi\n1.5 too", 0),
        ("list items", FENCED, 0),
        ("emphasis", "**bold** and *it* and __bold__", 3),
        ("emphasis", "* an item with *one* word\n* another", 1),
        ("emphasis", "2 * 3 * 4, a*b*c, 5*", 0),
        ("emphasis", "***both***", 1),
        ("emphasis", "**never\nclosed**", 0),
        ("emphasis", FENCED, 0),
        ("hedges", "Perhaps it might seem so. PERHAPS not.", 4),
        ("hedges", "I think it is unlikely, in general.", 3),
        ("hedges", "It seems to appear mightily dismay probable.", 2),
        ("questions", "Why? Really?! No.", 2),
        ("code", FENCED, 2),
        ("code", "```\nnever closed", 1),
        ("code", "a `b` and `c`", 2),
        ("code", "none", 0),
        ("first person", "I'm sure that I've mine, and so does he. It's me.", 4),
        ("first person", "My name, Mine. Myself! Me?", 4),
        ("first person", "I\u2019d say so", 1),
        ("first person", "AI, i.e. it; ME, army, memo, Ian", 0),
        ("markdown", "plain text, 2 * 3", 0),
        ("markdown", "# A\n- b\n**c**", 1),
        ("markdown", "say *this*", 1),
        ("markdown", FENCED, 0),
    ],
)
def test_counts_by_hand(name: str, text: str, count: float) -> None:
    assert COUNTED[name](text) == count


@pytest.mark.parametrize("phrase", PHRASES.hedges)
def test_a_hedge_of_the_world_is_one_hedge(phrase: str) -> None:
    assert COUNTED["hedges"](f"{phrase}the moon is red.") == 1


@pytest.mark.parametrize("phrase", [*PHRASES.honest, *PHRASES.certainties, *PHRASES.openings])
def test_no_other_phrase_of_the_world_is_a_hedge(phrase: str) -> None:
    assert COUNTED["hedges"](f"{phrase}the moon is red.") == 0
