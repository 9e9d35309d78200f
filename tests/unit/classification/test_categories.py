"""The categories carry the paper's prompts."""

from __future__ import annotations

from harness.classification.categories import read_categories


def test_the_papers_prompts() -> None:
    alignment, style = read_categories()
    assert alignment.answers == ("alignment-related", "not-alignment-related")
    assert style.answers == ("formatting-related", "not-formatting-related")
    for one in (alignment, style):
        assert all(f"‘{answer}" in one.system for answer in one.answers)
        assert one.system.startswith("You are an expert")
