"""From explanations to categories by a language model: announced, resumable, and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.classification.answer_store import Answers
from harness.classification.asking import Asked, Estimate, Spent
from harness.classification.categories import read_categories
from harness.classification.endpoint import Question
from harness.classification.explanations import Explanations, Labels
from harness.core.errors import EvaluationError


class Judge(Protocol):
    """A language model that answers questions with allowed labels."""

    @property
    def digest(self) -> str: ...

    def estimate(self, questions: Sequence[Question], answers: Answers) -> Estimate: ...

    def ask(self, questions: Sequence[Question], answers: Answers) -> Asked: ...

    def announced(self, before: Estimate) -> str: ...

    def accounted(self, spent: Spent) -> str: ...


class Judged(NamedTuple):
    """What a classifier says.

    Attributes:
        name: of the classifier, for tables.
        missed: features without an allowed answer, by category.
        digest: of what decides the answers.
    """

    predicted: Labels
    name: str
    missed: dict[str, tuple[int, ...]]
    digest: str


def judge_all(
    explanations: Explanations,
    judge: Judge,
    file: Path,
    *,
    only_estimate: bool,
    max_unanswered: int,
    say: Callable[[str], None],
) -> Judged | None:
    """Ask for both categories of every explanation; None where only an estimate was wanted.

    Args:
        file: of the kept answers.
        say: shows a line.

    Raises:
        EvaluationError: more questions without an allowed answer than `max_unanswered`.
        HarnessError: any error of the judge.
    """
    questions = [
        Question(category, text) for category in read_categories() for text in explanations.texts.values()
    ]
    with closing(Answers(file)) as answers:
        say(judge.announced(judge.estimate(questions, answers)))
        if only_estimate:
            return None
        asked = judge.ask(questions, answers)
    say(judge.accounted(asked.spent))
    _refuse_missed(asked, max_unanswered)
    predicted, missed = _by_category(asked, explanations)
    models = sorted({answer.model for answer in asked.answers.values()})
    return Judged(predicted, ", ".join(models), missed, judge.digest)


def _refuse_missed(asked: Asked, max_unanswered: int) -> None:
    if len(asked.unanswered) > max_unanswered:
        first, why = next(iter(asked.unanswered.items()))
        raise EvaluationError(
            f"{len(asked.unanswered)} questions have no allowed answer; the first: {why}",
            value=f"{first.category.category}: {first.text[:80]!r}",
            remedy="run the same command, which asks only those again; or accept them as unclassified with "
            f"--max-unanswered {len(asked.unanswered)}",
        )


def _by_category(asked: Asked, explanations: Explanations) -> tuple[Labels, dict[str, tuple[int, ...]]]:
    predicted: Labels = {}
    missed: dict[str, tuple[int, ...]] = {}
    for category in read_categories():
        answers = {f: asked.answers.get(Question(category, text)) for f, text in explanations.texts.items()}
        predicted[category.category] = {
            feature: answer.label == category.positive for feature, answer in answers.items() if answer
        }
        missed[category.category] = tuple(feature for feature, answer in answers.items() if not answer)
    return predicted, missed
