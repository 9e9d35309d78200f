"""What a benchmark finds: the lean path against the reference, the steered model against the base."""

from __future__ import annotations

from typing import Any

from harness.core.results import Record


class Ratio(Record):
    """One variant against the transcription in one case.

    Attributes:
        speed: tokens/s of the variant over the transcription's, the median of rounds in which they ran one
            after the other; speed_low, speed_high: the least and the largest of them.
        memory: peak above the weights over the transcription's.
        tokens_per_s, step_s, above_mib: of the variant; `plain_*` of the transcription.
    """

    case: str
    variant: str
    speed: float
    speed_low: float
    speed_high: float
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

    def ratio(self, case: str, variant: str) -> Ratio | None:
        """The ratio of a case and variant; None where it was not measured."""
        return next((one for one in self.ratios if (one.case, one.variant) == (case, variant)), None)
