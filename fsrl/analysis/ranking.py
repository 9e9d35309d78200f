"""Tables 3 and 4: the features that are steered most often, and those with the largest mean value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fsrl.analysis.counted import counted
from harness.findings.activity import Ranked, RankingResult
from harness.study import Found, Options, StudyScene

SUMMARY = "Tables 3 and 4: the features steered most, by usage or by mean value."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = False


class Config(Options):
    """Options.

    Attributes:
        by: `usage` (Table 3) or `value` (Table 4).
        first: rows of the table.
    """

    by: Literal["usage", "value"]
    first: Annotated[int, Field(gt=0)] = 10


def run(config: Config, scene: StudyScene) -> Found:
    """The ranking; equal features in the order of their ids."""
    import numpy as np

    census = counted(scene)
    usage = census.per_feature("steering", "count")
    mean = census.per_feature("steering", "total")
    order = np.argsort(-(usage if config.by == "usage" else mean), kind="stable")[: config.first]
    rows = tuple(
        Ranked(
            feature=feature,
            **scene.feature(feature)._asdict(),
            usage=float(usage[feature]),
            mean_value=float(mean[feature]),
            mean_active=float(mean[feature] / usage[feature]) if usage[feature] else 0.0,
        )
        for feature in map(int, order)
    )
    never = int((usage == 0).sum())
    result = RankingResult(by=config.by, rows=rows, positions=census.positions(), never=never)
    return Found(result)
