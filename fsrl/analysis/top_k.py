"""Figure 2: the evaluation loss when only a part of the dictionary is steered."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fsrl.analysis.counted import counted
from harness.findings.masked import TopKPoint, TopKResult
from harness.study import Found, Options, StudyScene

SUMMARY = "Figure 2: SimPO loss with only the top k % of the features steered."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = True
DOUBLING = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 1.0)
Fraction = Annotated[float, Field(gt=0, le=1)]


class Config(Options):
    """Options.

    Attributes:
        fractions: of the dictionary, relative to all its features, as in the paper.
        static: also score a static policy: the same k features for every input.
        pairs: test pairs scored, from the front; 0 means all.
    """

    fractions: Annotated[tuple[Fraction, ...], Field(strict=False)] = DOUBLING
    static: bool = True
    pairs: Annotated[int, Field(ge=0)] = 0


def run(config: Config, scene: StudyScene) -> Found:
    """Score the test pairs once for each point. The adapter is left as it was trained."""
    import numpy as np
    from tqdm import tqdm

    from fsrl.analysis.evaluation_loss import Losses, against, base_loss, first, losses
    from fsrl.analysis.subject import load_subject

    subject, seed = first(load_subject(scene), config.pairs), scene.profile.training.seed
    adapter, trained = subject.adapter, subject.adapter.top_fraction
    census = counted(scene)
    ranking = np.argsort(-census.per_feature("steering", "total"), kind="stable")
    learned = losses(subject, scene)

    def point(policy: Any, fraction: float, found: Losses) -> TopKPoint:
        kept = max(1, int(adapter.d_sae * fraction))
        gap = against(found.pairs, learned.pairs, seed)
        return TopKPoint(
            policy=policy,
            fraction=fraction,
            kept=kept,
            loss=found.score.value,
            stderr=found.score.stderr,
            difference=gap.value,
            low=gap.low,
            high=gap.high,
            mean_l0=found.mean_l0,
        )

    points = []
    for fraction in tqdm(config.fractions, desc="  top k", leave=False, disable=None):
        adapter.top_fraction = fraction
        points.append(point("dynamic", fraction, losses(subject, scene)))
        adapter.top_fraction = trained
        if config.static:
            adapter.mask(list(map(int, ranking[max(1, int(adapter.d_sae * fraction)) :])))
            points.append(point("static", fraction, losses(subject, scene)))
            adapter.mask([])
    result = TopKResult(
        points=tuple(points),
        learned_loss=learned.score.value,
        learned_stderr=learned.score.stderr,
        learned_l0=learned.mean_l0,
        base_loss=base_loss(scene, config.pairs),
        d_sae=adapter.d_sae,
        pairs=learned.score.n,
    )
    return Found(result)
