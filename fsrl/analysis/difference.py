"""Figure 3: the mean difference between SAE activation f and steering v of each feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fsrl.analysis.counted import counted
from harness.findings.activity import DifferenceResult, Different
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "Figure 3: mean difference between f and v per feature."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = False


class Config(Options):
    """Options.

    Attributes:
        bins: of the histogram.
        first: features named.
        points: of the ordered curve.
    """

    bins: Annotated[int, Field(gt=1)] = 41
    first: Annotated[int, Field(gt=0)] = 10
    points: Annotated[int, Field(gt=1)] = 400


def run(config: Config, scene: StudyScene) -> Found:
    """The differences over all positions of prompt, chosen and rejected."""
    import numpy as np

    census = counted(scene)
    sae, steering = (census.per_feature(source, "total") for source in ("sae", "steering"))
    difference = sae - steering
    counts, edges = np.histogram(difference, bins=config.bins)
    ordered = np.sort(difference)
    result = DifferenceResult(
        mean=float(difference.mean()),
        mean_absolute=float(np.abs(difference).mean()),
        negative=int((difference < 0).sum()),
        positive=int((difference > 0).sum()),
        edges=tuple(map(float, edges)),
        counts=tuple(map(int, counts)),
        largest=tuple(
            Different(
                feature=feature,
                **scene.feature(feature)._asdict(),
                difference=float(difference[feature]),
                sae=float(sae[feature]),
                steering=float(steering[feature]),
            )
            for feature in map(int, np.argsort(-np.abs(difference), kind="stable")[: config.first])
        ),
        ordered=tuple(map(float, ordered[thinned(len(ordered), config.points)])),
    )
    return Found(result)


def thinned(length: int, points: int) -> NDArray[np.int64]:
    """At most `points` places of a sequence, evenly spaced, the first and the last among them."""
    import numpy as np

    return np.unique(np.linspace(0, length - 1, min(points, length)).round().astype(np.int64))
