"""Outcomes of random weights: never compared with real ones, no verdicts, no loss to lower."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import NotComparableError
from harness.findings.compare import require_comparable
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.paper.verdict import judge
from harness.stages.check import violations


@pytest.fixture
def marked(outcome: Outcome) -> Outcome:
    """Trained arms above the base, as a few steps on random weights may leave them."""
    worse = outcome.arms["base"].scores["preference.loss"].model_copy(update={"value": 99.0})
    arms = {
        name: arm
        if name == "base"
        else arm.model_copy(update={"scores": arm.scores | {"preference.loss": worse}})
        for name, arm in outcome.arms.items()
    }
    return outcome.model_copy(update={"random_weights": True, "arms": arms})


def test_random_and_real_results_are_never_compared(outcome: Outcome) -> None:
    with pytest.raises(NotComparableError, match="weights: committed real, here random"):
        require_comparable(outcome.model_copy(update={"random_weights": True}), outcome, Path("results"))
    require_comparable(outcome, outcome, Path("results"))


def test_random_results_have_no_verdict(marked: Outcome) -> None:
    said = [one for one in judge(read_paper(), marked) if "random weights" in " ".join(one.findings)]
    assert said
    assert {one.answer for one in said} == {"not run"}


def test_they_need_no_lower_loss_and_real_ones_do(marked: Outcome) -> None:
    fallen = marked.difference("fsrl", "base", "preference.loss")
    assert fallen is not None
    raised = {"preference.loss": fallen.model_copy(update={"low": 0.1, "high": 0.2})}
    differences = {arm: {"base": raised} for arm in marked.trained}
    comparisons = marked.comparisons.model_copy(update={"differences": differences})
    above = marked.model_copy(update={"comparisons": comparisons})
    assert not violations(above)
    assert violations(above.model_copy(update={"random_weights": False}))
