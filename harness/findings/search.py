"""What a search for learning rates found, and how it is read."""

from __future__ import annotations

from typing import Any

from harness.core.results import Record, Score


class Tried(Record):
    """One training of the search.

    Attributes:
        arm, learning_rate: what was trained.
        loss, accuracy: SimPO on the development pairs, without the penalty.
        penalised_loss: with it; equal to `loss` for an arm without a penalty.
        mean_l0: steered features a position; None for an arm that does not steer.
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
    early: float
    late: float
    train_s: float


class SearchResult(Record):
    """The artefact of a search.

    Attributes:
        pairs, n: the file of development pairs, and how many of them every training was scored on.
        base_loss: of the untrained model on them.
        tried: every training, arm by arm, rates rising.
        chosen: arm -> the rate of the least loss without penalty.
        commits, dirty: of everything that was read.
        provenance: of the command that put it together.
    """

    schema_version: int = 1
    command: str
    profile: str
    pairs: str
    n: int
    base_loss: Score
    tried: tuple[Tried, ...]
    chosen: dict[str, float]
    commits: tuple[str, ...]
    dirty: bool | None
    provenance: dict[str, Any]

    def at_an_edge(self, arm: str) -> bool:
        """Whether the chosen rate is the least or the greatest tried: a better one may lie beyond."""
        rates = [one.learning_rate for one in self.tried if one.arm == arm]
        return self.chosen[arm] in (min(rates), max(rates))


def least(tried: tuple[Tried, ...]) -> dict[str, float]:
    """Arm -> the rate of the least loss on the development pairs; of equal ones the lowest rate."""
    arms = dict.fromkeys(one.arm for one in tried)
    return {
        arm: min((one.loss.value, one.learning_rate) for one in tried if one.arm == arm)[1] for arm in arms
    }
