"""Which items changed, by hand from the logs of the run that is made by hand."""

from __future__ import annotations

import json

from report_toys import NASTY, Run

from harness.findings.items import Changes, ItemsResult
from harness.report.items import LONGEST, MOST, cut


def items(run: Run) -> ItemsResult:
    return ItemsResult.model_validate(json.loads((run.paths.report / "items.json").read_text()))


def test_better_worse_and_same_by_hand(made: Run) -> None:
    """MMLU: base right on items 0 to 9, full SimPO on 0 to 17, FSRL on 0 to 11. GSM8K: 12, 4 and 11 of 20.
    A pair is better where its loss is lower: full SimPO and FSRL lower all ten."""
    found = {part.measure: part for part in items(made).parts}
    assert found["mmlu.acc"].changes == {
        "full-simpo": Changes(better=8, worse=0, same=12),
        "fsrl": Changes(better=2, worse=0, same=18),
    }
    assert found["gsm8k.strict-match"].changes["full-simpo"] == Changes(better=0, worse=8, same=12)
    assert found["preference.loss"].changes["fsrl"] == Changes(better=10, worse=0, same=0)
    assert "preference.penalised_loss" not in found, "the same pairs, and no evidence of its own"
    assert found["mmlu.acc"].items == 20


def test_items_that_changed_come_first_with_all_arms(made: Run) -> None:
    found = {part.measure: part for part in items(made).parts}
    shown = found["mmlu.acc"].shown
    assert len(shown) == MOST == 20
    assert [one.name for one in shown[:9]] == [*(f"mmlu {i}" for i in range(10, 18)), "mmlu 0"]
    first = shown[0]
    assert first.question == f"{NASTY} number 10 of mmlu?"
    assert (first.options, first.correct) == (("one", "two", "three", "four"), (2,))
    assert {arm: one.score for arm, one in first.answers.items()} == {"base": 0, "full-simpo": 1, "fsrl": 1}
    assert first.answers["base"].option == 1, "the largest log-probability"
    written = found["gsm8k.strict-match"].shown[0]
    assert (written.name, written.target) == ("gsm8k 4", "#### 4")
    assert written.answers["full-simpo"].text == "full-simpo says 4"
    assert found["gsm8k.flexible-extract"].shown == (), "the items of GSM8K stand once"


def test_a_pair_has_both_answers_and_their_rewards(made: Run) -> None:
    """Full SimPO lowers pair 2 the most: 7.0 to 4.5."""
    pairs = next(part for part in items(made).parts if part.measure == "preference.loss")
    assert pairs.shown[0].name == "preference 2"
    assert pairs.shown[0].options == ("good 2", "bad 2")
    assert pairs.shown[0].answers["full-simpo"].values == (-4.5, -5.0)
    assert pairs.shown[0].answers["full-simpo"].option == 0
    assert pairs.shown[0].answers["base"].option == 1


def test_a_long_text_is_cut_and_the_rest_counted() -> None:
    assert cut(" short ", "answer") == "short"
    assert cut("x" * (LONGEST["answer"] + 1234), "answer") == "x" * 500 + " … (1,234 more characters)"
