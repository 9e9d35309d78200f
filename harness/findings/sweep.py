"""A sweep: the same training at several values of one setting, and its scores (Figure 4)."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record

Axis = Literal["alpha", "layer"]


class SweptSae(Record):
    """How well the autoencoder of a swept layer reconstructs activations that it was not trained on.

    Attributes:
        source: the release and id, or how it was trained.
        explained_variance, mean_l0, dead_fraction: None if not measured here.
    """

    source: str
    explained_variance: float | None
    mean_l0: float | None
    dead_fraction: float | None


class SweepPoint(Record):
    """One training of a sweep, scored on the test pairs.

    Attributes:
        value: of the swept setting.
        loss, stderr: SimPO loss without penalty, its standard error over pairs.
        penalised_loss: with alpha times the mean L1 of the steering.
        above: penalised loss (axis `layer`) or plain loss (axis `alpha`) minus that of the point where it is
            least; paired over the pairs, 95 % bootstrap interval; 0 for that point itself.
        mean_l0: steered features a position.
        train_s: seconds of its training loop.
        own: whether this is the run's own arm, which has these settings.
        sae: of its layer.
    """

    value: float
    loss: float
    stderr: float
    penalised_loss: float
    above: Interval
    mean_l0: float
    train_s: float
    own: bool
    sae: SweptSae


class Elbow(Record):
    """Where the curve of loss without penalty against mean L0 bends, by a named rule.

    Attributes:
        rule: `kneed` with its version; curve, direction, sensitivity: as it was asked.
        alpha: of the point at the elbow; None where the rule finds none.
        reason: why there is none.
    """

    rule: str
    curve: str
    direction: str
    sensitivity: float
    alpha: float | None
    reason: str = ""


class SweepResult(Record):
    """Figure 4, one axis of it.

    Attributes:
        least: value of the point with the least loss, as `SweepPoint.above` counts it.
        elbow: of an alpha sweep.
        blocks: of the model, for a layer's relative depth.
        alpha, layer: the profile's own, at which the other axis was held.
        pairs, epochs: test pairs that were scored; passes over the training pairs of each point.
        seed: of the trainings.
        cached: whether the points read one residual stream from disk.
    """

    kind: Literal["sweep"] = "sweep"
    axis: Axis
    points: tuple[SweepPoint, ...]
    least: float
    elbow: Elbow | None
    blocks: int
    alpha: float
    layer: int
    pairs: int
    epochs: int
    seed: int
    cached: bool
