"""What is measured: the name of each score, its title in tables, its unit and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

LOSS = "preference.loss"
PENALISED_LOSS = "preference.penalised_loss"
PREFERENCE = (LOSS, PENALISED_LOSS)
BASE = "base"
PERCENT = 100.0

_TITLES = {
    LOSS: "SimPO loss",
    PENALISED_LOSS: "SimPO loss + penalty",
    "mmlu.acc": "MMLU",
    "truthfulqa_mc2.acc": "TruthfulQA MC2",
    "gsm8k.strict-match": "GSM8K strict",
    "gsm8k.flexible-extract": "GSM8K flexible",
}


class Measure(NamedTuple):
    """One column of Table 1.

    Attributes:
        name: as in `EvaluateResult.scores`, or `preference.loss` and `preference.penalised_loss`.
        title: for people.
        scale: what a value is multiplied with for people: 100 for a share, 1 for a loss in nats.
        decimals: digits after the point.
        lower_is_better: which way is better.
        tested: whether the measure enters the family of tests. The penalised loss does not: its penalty is
            one number of the whole test set, so that it holds no evidence beyond that of the loss.
    """

    name: str
    title: str
    scale: float
    decimals: int
    lower_is_better: bool
    tested: bool

    @property
    def unit(self) -> str:
        return "%" if self.scale == PERCENT else "nats"

    @property
    def step(self) -> str:
        """The unit of a difference."""
        return "percentage points" if self.scale == PERCENT else "nats"


def measure(name: str) -> Measure:
    """The measure of a name; a task without a title is shown under its own name."""
    is_loss = name in PREFERENCE
    return Measure(
        name=name,
        title=_TITLES.get(name, name),
        scale=1.0 if is_loss else PERCENT,
        decimals=3 if is_loss else 1,
        lower_is_better=is_loss,
        tested=name != PENALISED_LOSS,
    )


def measures(tasks: Iterable[str], scores: Iterable[str]) -> list[Measure]:
    """The columns of Table 1 in order: the two losses, then each task's overall scores.

    Args:
        tasks: the profile's tasks, in its order.
        scores: names of the scores; those of subjects (`mmlu.<subject>.acc`) have more than one point and are
            left out.
    """
    names = [*PREFERENCE]
    for task in tasks:
        own = (score for score in scores if score.startswith(f"{task}."))
        names += sorted((score for score in own if "." not in score[len(task) + 1 :]), key=_place)
    return [measure(name) for name in names]


def logged(metrics: Mapping[str, float], metric: str) -> float:
    """A metric of a sample log's row, by its own name or by its filter's (`strict-match/exact_match`).

    Raises:
        KeyError: there is none.
    """
    for name, value in metrics.items():
        if name == metric or name.partition("/")[0] == metric:
            return float(value)
    raise KeyError(metric)


def _place(name: str) -> tuple[int, str]:
    """Measures with a title in the order of their titles, then the others by name."""
    titled = list(_TITLES)
    return titled.index(name) if name in titled else len(titled), name
