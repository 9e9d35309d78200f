"""The evaluation with only some features steered: Figure 2 and the causal ablation."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record
from harness.findings.answers import GenerationsResult

POLICIES = {"dynamic": "top k of each position", "static": "the same k everywhere"}


class TopKPoint(Record):
    """The evaluation with only a part of the features.

    Attributes:
        policy: `dynamic` (the k largest abs(v) of each position) or `static` (the same k features for every
            input, those with the largest mean abs(v) on the evaluation set).
        fraction: of the dictionary.
        kept: k.
        loss: SimPO loss without penalty; low and high: its difference to the learned policy's, 95 %.
        mean_l0: per position.
    """

    policy: Literal["dynamic", "static"]
    fraction: float
    kept: int
    loss: float
    stderr: float
    difference: float
    low: float
    high: float
    mean_l0: float


class TopKResult(Record):
    """Figure 2."""

    kind: Literal["top_k"] = "top_k"
    points: tuple[TopKPoint, ...]
    learned_loss: float
    learned_stderr: float
    learned_l0: float
    base_loss: float
    d_sae: int
    pairs: int


class Ablated(Record):
    """The evaluation with some features' steering forced to 0.

    Attributes:
        masked: `nothing`, a category, or `random, as many as` one.
        features: how many are masked.
        draw: number of the random draw; None where nothing was drawn.
        loss: without penalty; difference: to the unmasked policy's, paired, with its 95 % interval.
        scores: of the tasks that were asked for.
        answer_tokens, markdown: means over greedy answers; None where none were asked for.
    """

    masked: str
    features: int
    draw: int | None
    loss: float
    stderr: float
    difference: float
    low: float
    high: float
    mean_l0: float
    scores: dict[str, float]
    answer_tokens: float | None = None
    markdown: float | None = None


class Contrast(Record):
    """A category masked, against random masks of its size, by one measure.

    Attributes:
        masked: the category.
        measure: a task's metric, `preference.loss`, `answer_tokens` or `markdown`.
        items: pairs, items or answers that the measure is a mean of.
        effect: the category's value minus that of the unmasked policy.
        random: mean of the same over the random draws, with the 95 % interval of one further draw.
    """

    masked: str
    measure: str
    items: int
    effect: float
    random: Interval


class AblationResult(Record):
    """Causal ablation.

    Attributes:
        random: by category: mean difference of the random draws of its size; low and high: their range.
        contrasts: every category by every measure against its random draws.
        answers: greedy answers with nothing, each category and the first draw of each size masked.
    """

    kind: Literal["ablation"] = "ablation"
    rows: tuple[Ablated, ...]
    random: dict[str, Interval]
    base_loss: float
    pairs: int
    seed: int
    contrasts: tuple[Contrast, ...] = ()
    answers: GenerationsResult | None = None
