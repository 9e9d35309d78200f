"""What a benchmark finds: the lean path against the reference, the steered model against the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from harness.core.results import Record


class Ratio(Record):
    """One variant against the transcription in one case.

    Attributes:
        speed: tokens/s of the variant over the transcription's, the median of rounds in which they ran one
            after the other; speed_low, speed_high: the least and the largest of them.
        repeat, repeat_low, repeat_high: the same of the transcription run a second time in every round: what
            a ratio of two equal paths is on that machine. 1 in files from before it was measured.
        memory: peak above the weights over the transcription's.
        tokens_per_s, step_s, above_mib: of the variant; `plain_*` of the transcription.
    """

    case: str
    variant: str
    speed: float
    speed_low: float
    speed_high: float
    repeat: float = 1.0
    repeat_low: float = 1.0
    repeat_high: float = 1.0
    memory: float
    tokens_per_s: float
    step_s: float
    above_mib: float
    plain_tokens_per_s: float
    plain_step_s: float
    plain_above_mib: float


class Evaluation(Record):
    """The steered model's evaluation against the base's in one case.

    Attributes:
        ratio: seconds of the steered over those of the base, the median of rounds in which they ran one after
            the other; low, high: the least and the largest of them.
        base_s, steered_s: of the fastest round.
    """

    case: str
    ratio: float
    low: float
    high: float
    base_s: float
    steered_s: float


class Bench(Record):
    """A run of the benchmark.

    Attributes:
        ratios: by case and variant.
        evaluations: by case; empty in files from before it was measured.
        ranks: tokens/s of the real train stage by number of ranks.
    """

    schema_version: int = 1
    command: str = "nox -s bench"
    provenance: dict[str, Any]
    ratios: tuple[Ratio, ...]
    evaluations: tuple[Evaluation, ...] = ()
    ranks: dict[str, float]

    def floors_of(self, others: Sequence[Bench]) -> Bench:
        """What this run and all others showed: of each ratio the worst median, the widest spread, the most
        memory; other numbers are those of this run."""
        runs = (self, *others)
        return self.model_copy(
            update={
                "ratios": tuple(_worst(one, runs) for one in self.ratios),
                "evaluations": tuple(_worst_evaluation(one, runs) for one in self.evaluations),
            }
        )

    def ratio(self, case: str, variant: str) -> Ratio | None:
        """The ratio of a case and variant; None where it was not measured."""
        return next((one for one in self.ratios if (one.case, one.variant) == (case, variant)), None)


class Runs(Record):
    """The runs of the benchmark that are committed for a hardware class, the latest last."""

    schema_version: Literal[2] = 2
    runs: tuple[Bench, ...] = Field(min_length=1)

    def worst(self) -> Bench:
        """What every run showed."""
        return self.runs[-1].floors_of(self.runs[:-1])


def _worst(one: Ratio, runs: Sequence[Bench]) -> Ratio:
    found = [ratio for run in runs if (ratio := run.ratio(one.case, one.variant)) is not None]
    return one.model_copy(
        update={
            "speed": min(ratio.speed for ratio in found),
            "speed_low": min(ratio.speed_low for ratio in found),
            "speed_high": max(ratio.speed_high for ratio in found),
            "memory": max(ratio.memory for ratio in found),
        }
    )


def _worst_evaluation(one: Evaluation, runs: Sequence[Bench]) -> Evaluation:
    found = [other for run in runs for other in run.evaluations if other.case == one.case]
    return one.model_copy(
        update={
            "ratio": max(other.ratio for other in found),
            "low": min(other.low for other in found),
            "high": max(other.high for other in found),
        }
    )
