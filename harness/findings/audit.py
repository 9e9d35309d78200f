"""The behavioural audit: what a training taught, by attribute of the answers, with the base at zero."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record


class Regression(Record):
    """The implicit reward's gap explained by differences of attributes, one pair an observation.

    Attributes:
        coefficients: nats a token for one unit of the attribute, with the interval of a bootstrap over pairs.
        shares: (coefficient x root mean square)² of each attribute over the sum of all: its part of what they
            explain where they do not go together.
        r2: 1 - residual sum of squares / sum of squares, about zero: a pair has no first answer.
    """

    coefficients: dict[str, Interval]
    shares: dict[str, Interval]
    r2: float


class Collinearity(Record):
    """How far the attributes' differences go together, which bounds what a regression can tell apart.

    Attributes:
        deviations: root mean square of each attribute's difference over the pairs.
        correlations: of two attributes' differences, about zero, since the order within a pair means nothing.
        inflation: the factor by which the other attributes widen a coefficient's variance (VIF).
    """

    deviations: dict[str, float]
    correlations: dict[str, dict[str, float]]
    inflation: dict[str, float]


class ArmAudit(Record):
    """What one arm prefers now, compared with the base: gaps of (arm - base) mean log-probabilities.

    Attributes:
        natural: over the test pairs.
        planted: the same with the planted terms alone, style and truth; None where nothing is planted.
        minimal: mean gap of pairs that differ in one attribute, the attribute's presence minus its absence.
        truthful: mean over TruthfulQA's questions of the gap between true and false choices, each a mean over
            the choices; None where the profile does not score them.
    """

    natural: Regression
    planted: Regression | None
    minimal: dict[str, Interval]
    truthful: Interval | None


class AuditResult(Record):
    """The study `audit`.

    Attributes:
        pairs: test pairs of the regression; minimal_pairs: of each attribute.
        collinearity: of the attributes of the test pairs.
        arms: every trained arm; the base is zero by definition.
        resamples, seed: of the bootstrap.
    """

    kind: Literal["audit"] = "audit"
    pairs: int
    minimal_pairs: int
    collinearity: Collinearity
    arms: dict[str, ArmAudit]
    resamples: int
    seed: int
