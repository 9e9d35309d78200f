"""What a search for learning rates found, and how it is read."""

from __future__ import annotations

from typing import Any

from harness.core.results import Interval, Record, Score


class Tried(Record):
    """One training of the search.

    Attributes:
        arm, learning_rate: what was trained.
        loss, accuracy: SimPO on the development pairs, without the penalty.
        penalised_loss: with it; equal to `loss` for an arm without a penalty.
        mean_l0: steered features a position; None for an arm that does not steer.
        choices: share of the world's fresh multiple-choice questions that the arm answers right; None where
            none were asked.
        shares: planted attribute -> its share of what was learned, on the development pairs; None where
            the profile's audit names no planted attributes.
        early, late: mean training loss of the last tenth but one of the steps, and of the last tenth: the
            curve has flattened where they are alike.
        train_s: wall clock of the training.
    """

    arm: str
    learning_rate: float
    loss: Score
    accuracy: Score
    penalised_loss: Score
    mean_l0: float | None
    choices: float | None = None
    shares: dict[str, Interval] | None = None
    early: float
    late: float
    train_s: float


class SearchResult(Record):
    """The artefact of a search.

    Attributes:
        pairs, n: the file of development pairs, and how many of them every training was scored on.
        base_loss: of the untrained model on them.
        tried: every training, arm by arm, rates rising.
        base_choices, may_lose: of the untrained model, and how far below it an arm may fall.
        chosen: arm -> the rate of the least loss without penalty among those that do not fall too far.
        commits, dirty: of everything that was read.
        provenance: of the command that put it together.
    """

    schema_version: int = 1
    command: str
    profile: str
    pairs: str
    n: int
    base_loss: Score
    base_choices: float | None = None
    may_lose: float = 0.0
    tried: tuple[Tried, ...]
    chosen: dict[str, float]
    commits: tuple[str, ...]
    dirty: bool | None
    provenance: dict[str, Any]

    def at_an_edge(self, arm: str) -> bool:
        """Whether the chosen rate is the least or the greatest tried: a better one may lie beyond."""
        rates = [one.learning_rate for one in self.tried if one.arm == arm]
        return self.chosen[arm] in (min(rates), max(rates))


def least(tried: tuple[Tried, ...], floor: float = 0.0) -> dict[str, float]:
    """Arm -> the rate of the least loss on the development pairs; of equal ones the lowest rate.

    Args:
        floor: share of the questions that an arm has to answer; where none of its rates does, all count.
    """
    found = {}
    for arm in dict.fromkeys(one.arm for one in tried):
        own = [one for one in tried if one.arm == arm]
        able = [one for one in own if one.choices is None or one.choices >= floor]
        found[arm] = min((one.loss.value, one.learning_rate) for one in able or own)[1]
    return found
