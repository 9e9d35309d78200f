"""Controls of the analyses: what do they say of adapters whose steered features are known?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fsrl.analysis import census
from fsrl.analysis.composition import by_examples
from fsrl.analysis.counted import Counted, counted
from harness.core.results import Interval
from harness.findings.activity import CONTEXTS, CompositionResult
from harness.findings.controls import Control, ControlsResult
from harness.findings.features import CATEGORIES
from harness.findings.reading import (
    BALANCE_MARGIN,
    COMPOSITION_MARGIN,
    balance,
    composition_contrast,
    harm_contrast,
    label,
)
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np

    from fsrl.analysis.subject import Subject

SUMMARY = "Controls of the analyses: adapters made by construction, which steer known features."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = False
FIRST = 10
"""Rows of Tables 3 and 4 that are read."""
KEPT = 0.016
"""Share of the dictionary whose static top-k is read: that of the later version's best one."""
MARGINS = {
    "composition": COMPOSITION_MARGIN,
    **dict.fromkeys(("ablation", "usage", "value", "top-k"), BALANCE_MARGIN),
}
BLIND = {"classification": "reads the explanations of the dictionary and no adapter"}


class Config(Options):
    """Options.

    Attributes:
        draws: oracles of each of the five kinds.
        pairs: test pairs, from the front, that each oracle is read from.
        resamples: of the bootstrap over examples in the composition.
    """

    draws: Annotated[int, Field(gt=0)] = 3
    pairs: Annotated[int, Field(gt=1)] = 200
    resamples: Annotated[int, Field(gt=1)] = 1_000


def run(config: Config, scene: StudyScene) -> Found:
    """Read every oracle by every rule. The adapter is left as it was trained.

    Raises:
        DataError: a category has no feature, or the adapter is no ReLU adapter that steers.
    """
    import numpy as np
    from tqdm import tqdm

    from fsrl.analysis import oracle
    from fsrl.analysis.evaluation_loss import first
    from fsrl.analysis.subject import load_subject

    seed = scene.profile.training.seed
    subject = first(load_subject(scene), config.pairs)
    used = list(map(int, counted(scene).per_feature("steering", "count").nonzero()[0]))
    sizes = oracle.trained_sizes(subject.adapter, used)
    found = []
    for draw in tqdm(range(config.draws), desc="  controls", leave=False, disable=None):
        generator = np.random.default_rng([seed, draw])
        for kind, features in oracle.targets(scene, subject.adapter.d_sae, generator).items():
            oracle.become(subject.adapter, sizes, features, generator)
            found.append(_control(config, scene, subject, kind, draw, features))
    oracle.restore(subject.adapter, sizes)
    result = ControlsResult(
        controls=tuple(found), margins=MARGINS, blind=BLIND, pairs=len(subject.rows), seed=seed
    )
    return Found(result)


def _control(
    config: Config, scene: StudyScene, subject: Subject, kind: str, draw: int, features: list[int]
) -> Control:
    result, arrays = census.count(census.Config(padded=False), scene, subject)
    counts = Counted(result, {name: values.astype(float) for name, values in arrays.items()})
    contrasts = {
        "composition": _composition(config, scene, counts),
        "ablation": harm_contrast(_harms(scene, subject)),
        "usage": _among(scene, counts.per_feature("steering", "count"), FIRST),
        "value": _among(scene, counts.per_feature("steering", "total"), FIRST),
        "top-k": _among(
            scene, counts.per_feature("steering", "total"), max(1, int(subject.adapter.d_sae * KEPT))
        ),
    }
    return Control(
        kind=kind,
        draw=draw,
        steered=len(features),
        contrasts=contrasts,
        readings={name: label(value, MARGINS[name]) for name, value in contrasts.items()},
    )


def _composition(config: Config, scene: StudyScene, counts: Counted) -> float:
    seed = scene.profile.training.seed
    rows = [
        by_examples(counts, category, context, "active", config.resamples, seed)
        for category in CATEGORIES
        for context in CONTEXTS
    ]
    examples = counts.result.examples
    result = CompositionResult(rows=tuple(rows), examples=examples, resamples=config.resamples, seed=seed)
    return composition_contrast(result)


def _harms(scene: StudyScene, subject: Subject) -> dict[str, Interval]:
    """Category -> the loss that masking its features adds."""
    from fsrl.analysis.evaluation_loss import against, losses

    whole, found = losses(subject, scene), {}
    for category in CATEGORIES:
        subject.adapter.mask(sorted(i for i, one in scene.features.items() if category in one.categories))
        masked = losses(subject, scene)
        subject.adapter.mask([])
        found[category] = against(masked.pairs, whole.pairs, scene.profile.training.seed)
    return found


def _among(scene: StudyScene, size: np.ndarray, first: int) -> float:
    """Of the features with the largest positive size, equal ones in the order of their ids: style features
    minus alignment features, over both.
    """
    import numpy as np

    order: Sequence[int] = [int(i) for i in np.argsort(-size, kind="stable")[:first] if size[i] > 0]
    style, alignment = (
        sum(name in scene.feature(i).categories for i in order) for name in ("style", "alignment")
    )
    return balance(style, alignment)
