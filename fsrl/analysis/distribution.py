"""Figure 5: how often features are steered, against their rank, with the fit of an exponential decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fsrl.analysis.counted import counted
from fsrl.analysis.difference import thinned
from harness.findings.activity import CONTEXTS, UsageCurve, UsageResult
from harness.findings.features import CATEGORIES
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "Figure 5: usage of the steered features against their rank percentile."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = False
LEAST_FOR_A_FIT = 3


class Config(Options):
    """Options.

    Attributes:
        points: of each curve, at most.
    """

    points: Annotated[int, Field(gt=1)] = 200


def run(config: Config, scene: StudyScene) -> Found:
    """A curve for each context and each group of features that has one at all."""
    census = counted(scene)
    groups = {"all": list(range(census.result.d_sae))}
    for category in CATEGORIES:
        members = [i for i, feature in sorted(scene.features.items()) if category in feature.categories]
        if members:
            groups[category] = members
    curves = [
        curve(census.per_feature("steering", "count", (context,))[members], context, group, config.points)
        for context in CONTEXTS
        for group, members in groups.items()
    ]
    return Found(UsageResult(curves=tuple(curves)))


def curve(usage_F: NDArray[np.float64], context: str, group: str, points: int) -> UsageCurve:
    """Usage from the largest to the smallest; rank percentile 100 is the group's last feature.

    The fit is of log10(usage) against the percentile, over the features that are used at all.
    """
    import numpy as np
    from scipy.stats import linregress

    ordered = np.sort(usage_F)[::-1]
    used = int((ordered > 0).sum())
    percentile = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
    places = thinned(used, points) if used else np.zeros(0, dtype=np.int64)
    fit = linregress(percentile[:used], np.log10(ordered[:used])) if used >= LEAST_FOR_A_FIT else None
    return UsageCurve(
        context=context,
        group=group,
        features=len(ordered),
        used=used,
        percentile=tuple(map(float, percentile[places])),
        usage=tuple(map(float, ordered[places])),
        slope=None if fit is None else float(fit.slope),
        intercept=None if fit is None else float(fit.intercept),
        r2=None if fit is None else float(fit.rvalue**2),
    )
