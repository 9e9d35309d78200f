"""What the studies find: one type each, which the page reads. Shares are shares of 1, losses are in nats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from harness.contract import Record
from harness.errors import DamagedFileError

CONTEXTS = {
    "prompt": "prompt",
    "prompt_chosen": "prompt + chosen",
    "prompt_rejected": "prompt + rejected",
}
"""The three kinds of text whose positions are counted, and how they are called in tables."""
EVERYWHERE = ("prompt_chosen", "prompt_rejected")
"""The two that together are the evaluation set as the loss sees it: each pair as two sequences."""


class Interval(Record):
    """An estimate with its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float


class Padded(Record):
    """Shares over every position of the padded batches, each a draw of its own: the paper's way.

    Attributes:
        positions: positions at which at least one feature is active.
        total, squares: sums of the share and of its square, by category.
    """

    positions: int
    total: dict[str, float]
    squares: dict[str, float]


class ContextCensus(Record):
    """Counts over one context.

    Attributes:
        positions: tokens without padding.
        padding: padding positions of the batches.
        mean_l0: active features a position, by source (`sae`, `steering`).
        empty: positions without any active feature, by source; they have no share.
        padded: by source; empty where it was not asked for.
    """

    positions: int
    padding: int
    mean_l0: dict[str, float]
    empty: dict[str, int]
    padded: dict[str, Padded]


class CensusResult(Record):
    """One pass over the test pairs: what the SAE and the steering vector do at each position.

    Attributes:
        arm: whose steering vector.
        d_sae: features of the dictionary.
        examples: pairs.
        floor: active is abs(value) > floor.
        contexts: by name of `CONTEXTS`.
        categories: features in each.
        described: features with a description.
        evaluated_l0: the mean L0 that the stage `evaluate` recorded for this arm, which `contexts` must give
            again where it counts the same positions.
    """

    kind: Literal["census"] = "census"
    arm: str
    d_sae: int
    examples: int
    floor: float
    contexts: dict[str, ContextCensus]
    categories: dict[str, int]
    described: int
    evaluated_l0: float | None


class Composition(Record):
    """A row of Table 2.

    Attributes:
        way: `examples` (bootstrap over examples, padding left out) or `positions` (the paper's way: every
            position of the padded batches a draw of its own).
        sae, steering: mean share of the category among the active features of a position.
        change: steering / sae - 1.
    """

    category: str
    context: str
    way: Literal["examples", "positions"]
    sae: Interval
    steering: Interval
    change: Interval


class CompositionResult(Record):
    """Table 2."""

    kind: Literal["composition"] = "composition"
    rows: tuple[Composition, ...]
    examples: int
    resamples: int
    seed: int


class Ranked(Record):
    """A feature in a ranking.

    Attributes:
        usage: share of the positions at which it steers.
        mean_value: mean of v over all positions, zeros included.
        mean_active: mean of v where it steers.
    """

    feature: int
    description: str
    categories: tuple[str, ...]
    usage: float
    mean_value: float
    mean_active: float


class RankingResult(Record):
    """Tables 3 and 4: the first features of a ranking over all positions of prompt, chosen and rejected."""

    kind: Literal["ranking"] = "ranking"
    by: Literal["usage", "value"]
    rows: tuple[Ranked, ...]
    positions: int
    never: int


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


class Different(Record):
    """A feature whose SAE activation and steering differ on average."""

    feature: int
    description: str
    categories: tuple[str, ...]
    difference: float
    sae: float
    steering: float


class DifferenceResult(Record):
    """Figure 3: mean of f - v per feature over all positions of prompt, chosen and rejected.

    Attributes:
        mean, mean_absolute: over features.
        edges, counts: histogram of the mean differences.
        largest: by absolute difference, the largest first.
        ordered: mean difference by rank, from the most negative to the most positive, thinned.
    """

    kind: Literal["difference"] = "difference"
    mean: float
    mean_absolute: float
    negative: int
    positive: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    largest: tuple[Different, ...]
    ordered: tuple[float, ...]


class UsageCurve(Record):
    """Usage against rank percentile for one context and group.

    Attributes:
        group: `all` or a category.
        features: in the group; used: with a usage above 0, which alone are in the fit.
        percentile, usage: the curve, thinned.
        slope, intercept: log10(usage) = intercept + slope * percentile; None with fewer than three points.
        r2: of that fit.
    """

    context: str
    group: str
    features: int
    used: int
    percentile: tuple[float, ...]
    usage: tuple[float, ...]
    slope: float | None
    intercept: float | None
    r2: float | None


class UsageResult(Record):
    """Figure 5."""

    kind: Literal["usage"] = "usage"
    curves: tuple[UsageCurve, ...]


class Token(Record):
    """A generated token and the features steered most at the position that produced it."""

    text: str
    features: tuple[tuple[int, float], ...] = ()


class Answer(Record):
    """An arm's answer to a prompt."""

    arm: str
    text: str
    tokens: tuple[Token, ...]
    markdown: float
    ended: bool


class Conversation(Record):
    """The arms' answers to one prompt."""

    prompt: str
    answers: tuple[Answer, ...]


class GenerationsResult(Record):
    """Answers side by side.

    Attributes:
        titles: of the arms, in order.
        descriptions: of every feature that is named in an answer.
        mean_tokens, mean_markdown: by arm; markdown is the share of lines that carry Markdown.
    """

    kind: Literal["generations"] = "generations"
    conversations: tuple[Conversation, ...]
    titles: dict[str, str]
    descriptions: dict[str, str]
    mean_tokens: dict[str, float]
    mean_markdown: dict[str, float]
    max_new_tokens: int


class Ablated(Record):
    """The evaluation with some features' steering forced to 0.

    Attributes:
        masked: `nothing`, a category, or `random, as many as` one.
        features: how many are masked.
        draw: number of the random draw; None where nothing was drawn.
        loss: without penalty; difference: to the unmasked policy's, paired, with its 95 % interval.
        scores: of the tasks that were asked for.
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


class AblationResult(Record):
    """Causal ablation.

    Attributes:
        random: by category: mean difference of the random draws of its size; low and high: their range.
    """

    kind: Literal["ablation"] = "ablation"
    rows: tuple[Ablated, ...]
    random: dict[str, Interval]
    base_loss: float
    pairs: int
    seed: int


class Confusion(Record):
    """Counts of a yes-or-no classification against labels; positive is: belongs to the category."""

    tp: int
    tn: int
    fp: int
    fn: int


class Validated(Record):
    """A classifier against labels, for one category.

    Attributes:
        text: what it saw of each explanation, `whole` or `without its lead-in`.
        mcc: Matthews correlation coefficient; its interval is a bootstrap over features.
    """

    category: str
    classifier: str
    text: str
    confusion: Confusion
    accuracy: float
    mcc: Interval


class ClassificationResult(Record):
    """Appendix E: features by category, from their explanations.

    Attributes:
        rows: one a category, classifier and text that could be validated; empty without labels.
        explained: features with an explanation; positives: how many of them are in each category, by the
            last classifier.
        unexplained: features whose explanation has no text.
        repeated: further explanations of a feature, which are left out.
        unanswered: features that an endpoint gave no allowed answer for, by category.
        labels: where the labels are from.
    """

    kind: Literal["classification"] = "classification"
    rows: tuple[Validated, ...]
    explained: int
    unexplained: int
    repeated: int
    positives: dict[str, int]
    unanswered: dict[str, tuple[int, ...]]
    labels: str
    resamples: int
    seed: int


Finding = Annotated[
    CensusResult
    | CompositionResult
    | RankingResult
    | TopKResult
    | DifferenceResult
    | UsageResult
    | GenerationsResult
    | AblationResult
    | ClassificationResult,
    Field(discriminator="kind"),
]
_FINDING: TypeAdapter[Finding] = TypeAdapter(Finding)


def parse_finding(data: Any, *, where: object) -> Finding:
    """A study's result of whatever kind.

    Raises:
        DamagedFileError: none of the kinds, or another layout.
    """
    try:
        return _FINDING.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedFileError(
            f"the study's result has not its layout: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            value=where,
            remedy="delete it and run `python -m harness study` again",
        ) from error
