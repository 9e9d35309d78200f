"""What the benchmark evaluates: both arms answer every request, and steering changes the answers."""

from __future__ import annotations

from evaluation import ACTIVE, CHOICES, QUESTIONS, Evaluation
from subject import Sizes

from fsrl import active

SMALL = Sizes(d_model=128, layers=2, vocabulary=100, d_sae=512, max_length=64)


def test_both_arms_answer_and_only_one_is_steered() -> None:
    base, steered = Evaluation(False, SMALL), Evaluation(True, SMALL)
    answers = base()
    assert len(answers) == QUESTIONS * CHOICES
    assert base() == answers
    assert [total for total, _ in steered()] != [total for total, _ in answers]
    assert active.FEW["cpu"] > ACTIVE
