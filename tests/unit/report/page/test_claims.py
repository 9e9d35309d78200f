"""Verdicts on the page: signs, counts, headlines, and other models beside."""

from __future__ import annotations

from report_toys import Run

from harness.core.sheet import Sheet
from harness.paper.verdict import Verdict
from harness.report.page import claims
from harness.report.page.blocks import Folded
from harness.stages.report import read_verdicts


def verdict(answer: str, status: str = "direction only", about: bool = False) -> Verdict:
    return Verdict.model_validate(
        {"claim": f"c-{answer}", "sentence": f"It is {answer}.", "source": "section 6", "status": status,
         "answer": answer, "about_paper": about, "findings": ("one number",)}
    )  # fmt: skip


def test_counts_have_a_sign_a_word_and_a_number() -> None:
    found = claims.counts([verdict("inconclusive"), verdict("reproduced"), verdict("inconclusive")])
    assert [(one.sign, one.word, one.text) for one in found] == [
        ("✓", "same direction", "1"),
        ("~", "inconclusive", "2"),
    ]
    assert claims.word(verdict("reproduced", about=True)) == "reproduced"


def test_headlines_are_tested_claims_about_directions() -> None:
    found = claims.headlines([verdict("not run"), verdict("reproduced", "value"), verdict("equivalent")])
    assert [(one.sign, one.word, one.text) for one in found] == [("=", "no difference", "It is equivalent.")]


def test_every_claim_stands_once_and_untestable_ones_are_folded(made: Run) -> None:
    verdicts = read_verdicts(made.paths)
    table, folded = claims.part(made.outcome(), verdicts, {}).sections[0].blocks
    assert isinstance(table, Sheet)
    assert isinstance(folded, Folded)
    untestable = sum(one.answer == "untestable" for one in verdicts)
    assert folded.title.startswith(f"{untestable} claims that no run could test")
    assert len(table.rows) + len(folded.tables[0].rows) == len(verdicts)


def test_other_models_have_a_column_each(made: Run) -> None:
    """Three miniatures: the verdict of each on the same claim, and `not judged` where a model has none."""
    own = [verdict("reproduced"), verdict("inconclusive")]
    beside = {"Second": [verdict("reproduced").model_copy(update={"answer": "not reproduced"})], "Third": own}
    (table,) = claims.part(made.outcome(), own, beside).sections[0].blocks
    assert isinstance(table, Sheet)
    assert table.headings[:4] == ("Claim", "Verdict", "Second", "Third")
    rows = {row.texts[0]: row.texts[1:4] for row in table.rows}
    assert rows["It is reproduced."] == (
        "same direction (this model)",
        "opposite direction (this model)",
        "same direction (this model)",
    )
    assert rows["It is inconclusive."][1] == "not judged"
