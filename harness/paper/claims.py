"""The paper's claims as data (`results/paper.json`): sentence, source, status, predicates."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.core.documents import RESTORE, read_model
from harness.core.paths import COMMITTED
from harness.core.results import Record

PAPER = COMMITTED / "paper.json"

Status = Literal["value", "direction only", "lost", "artefact", "ambiguous"]
NEVER_TESTED = ("lost", "artefact")
Quantity = Literal["memory", "epoch time", "trainable parameters", "mean L0"]


class Direction(Record):
    """The arm's score lies on one side of the reference's, on every measure named.

    Seen when the paired difference has the sign and its Holm-corrected p value is below 0.05, contradicted
    when it has the other sign at that level. Otherwise there is no difference beyond `smallest` when the
    Holm-corrected p value of two one-sided tests is below 0.05, and else the run was too small.

    Attributes:
        smallest: smallest difference worth knowing, in the measures' own unit (a share or nats).
        why: the reason for that size.
    """

    kind: Literal["direction"]
    arm: str
    reference: str
    measures: tuple[str, ...]
    sign: Literal[-1, 1]
    smallest: Annotated[float, Field(gt=0)]
    why: Annotated[str, Field(min_length=1)]


class Value(Record):
    """The arm's score equals a printed number within `tolerance`, on one of the measures named.

    An equivalence test: seen when the whole 95 % interval lies within the tolerance of the printed number,
    contradicted when the two do not overlap, undecided otherwise.
    """

    kind: Literal["value"]
    arm: str
    measures: tuple[str, ...]
    printed: float
    tolerance: Annotated[float, Field(gt=0)]


class Sparsity(Record):
    """The arm's mean L0 lies within `tolerance` of a printed number."""

    kind: Literal["sparsity"]
    arm: str
    printed: float
    tolerance: Annotated[float, Field(gt=0)]


class Cost(Record):
    """The arm costs less than the reference: ratio at most 1 - `margin`; within the margin is undecided."""

    kind: Literal["cost"]
    arm: str
    reference: str
    quantity: Quantity
    margin: Annotated[float, Field(ge=0, lt=1)]


class Confusion(Record):
    """Printed accuracy and Matthews correlation follow from printed counts, to the printed digits."""

    kind: Literal["confusion"]
    true_positives: int
    true_negatives: int
    false_positives: int
    false_negatives: int
    accuracy: float
    mcc: float
    digits: int


class CompositionMoves(Record):
    """Table 2: steering moves the share of a category to one side, in all contexts.

    Seen when every 95 % interval of the relative change (bootstrap over examples) lies on that side,
    contradicted when one lies on the other, undecided otherwise.
    """

    kind: Literal["composition"]
    category: str
    sign: Literal[-1, 1]


class Plateau(Record):
    """Figure 2: few features are not enough, and more than `fraction` of them add little.

    Seen when the loss with the fewest features is above the learned policy's (95 %), and from `fraction` on
    at most `share` of that distance is left.
    """

    kind: Literal["plateau"]
    fraction: Annotated[float, Field(gt=0, lt=1)]
    share: Annotated[float, Field(gt=0, lt=1)]


class Decay(Record):
    """Figure 5: the logarithm of usage falls linearly with the rank: R² at least `r2` in every context."""

    kind: Literal["decay"]
    r2: Annotated[float, Field(gt=0, le=1)]


class BestLayer(Record):
    """Figure 4: of the swept layers the one nearest to `depth` (blocks up to it over all blocks) has the
    least loss with penalty, the paper's own quantity.

    Seen when every other layer's loss lies above it (95 %, paired), contradicted when that one lies above the
    least, undecided otherwise.
    """

    kind: Literal["best layer"]
    depth: Annotated[float, Field(gt=0, le=1)]


class TradeOff(Record):
    """Figure 4: a larger penalty coefficient steers fewer features, and the largest one costs loss.

    Seen when the mean L0 falls with every step of alpha and the loss without penalty of the largest alpha
    lies above the least (95 %, paired); contradicted when the largest alpha steers more features than the
    smallest, or has the least loss; undecided otherwise.
    """

    kind: Literal["trade-off"]


class ElbowAt(Record):
    """Figure 4: the elbow of loss without penalty against mean L0, by the sweep's named rule, is at `alpha`.

    Undecided where the rule finds no elbow or `alpha` is not among the points.
    """

    kind: Literal["elbow"]
    alpha: Annotated[float, Field(gt=0)]


TablePredicate = Direction | Value | Sparsity | Cost | Confusion
StudyPredicate = CompositionMoves | Plateau | Decay | BestLayer | TradeOff | ElbowAt
"""Those that a study decides, not Table 1."""
Predicate = Annotated[TablePredicate | StudyPredicate, Field(discriminator="kind")]


class Claim(Record):
    """One sentence or number of the paper.

    Attributes:
        id: short name.
        sentence: what is claimed, in our words.
        source: where: a section of the paper, or what else is known of it.
        status: `value` (a number that we know), `direction only`, `lost` (printed, but not known here),
            `artefact` (of the paper's set-up, not of the method), `ambiguous` (more than one reading).
        printed: the number as printed, where it is known.
        cells: places of Table 1 or the cost table, `<arm>/<measure>`, at which `printed` (or "lost") is
            shown.
        predicates: what must hold, all of it; none where no run of this harness tests the claim.
        reason: why there is no predicate, or what a reader of the verdict should know.
    """

    id: str
    sentence: str
    source: str
    status: Status
    printed: str | None = None
    cells: tuple[str, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    reason: str = ""

    @property
    def studied(self) -> bool:
        """Whether a study decides the claim, and not Table 1 alone."""
        return any(isinstance(one, StudyPredicate) for one in self.predicates)

    @model_validator(mode="after")
    def _nothing_to_reproduce(self) -> Claim:
        if self.status in NEVER_TESTED and self.predicates:
            raise ValueError(f"{self.id}: a claim whose status is {self.status} cannot have a predicate")
        if self.status == "lost" and self.printed is not None:
            raise ValueError(f"{self.id}: a lost value cannot have a printed number")
        if not self.predicates and not self.reason:
            raise ValueError(f"{self.id}: without a predicate a reason is needed")
        return self


class Paper(Record):
    """The file of claims.

    Attributes:
        title, reference: of the paper.
        profile, model: whose runs are about the paper; a verdict on any other run is about that run only.
    """

    title: str
    reference: str
    profile: str
    model: str
    claims: tuple[Claim, ...]

    @model_validator(mode="after")
    def _unique(self) -> Paper:
        names = [claim.id for claim in self.claims]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"claims with the same id: {', '.join(sorted(doubled))}")
        return self

    @model_validator(mode="after")
    def _one_smallest(self) -> Paper:
        for key, sizes in self._sizes().items():
            if len(sizes) > 1:
                raise ValueError(
                    f"several smallest differences worth knowing: {' - '.join(key[0])}, {key[1]}"
                )
        return self

    def _sizes(self) -> dict[tuple[frozenset[str], str], set[float]]:
        found: dict[tuple[frozenset[str], str], set[float]] = {}
        for one in (predicate for claim in self.claims for predicate in claim.predicates):
            if isinstance(one, Direction):
                for name in one.measures:
                    found.setdefault((frozenset((one.arm, one.reference)), name), set()).add(one.smallest)
        return found

    @cached_property
    def smallest(self) -> dict[tuple[frozenset[str], str], float]:
        """The smallest difference worth knowing of each pair of arms and measure that a claim is about."""
        return {key: min(sizes) for key, sizes in self._sizes().items()}

    def printed(self, cell: str) -> str | None:
        """What the paper has at a cell `<arm>/<measure>`: a number, "lost", or None where it has nothing."""
        for claim in self.claims:
            if cell in claim.cells:
                return "lost" if claim.status == "lost" else claim.printed
        return None


def read_paper(path: Path = PAPER) -> Paper:
    """The claims.

    Raises:
        MissingInputError, DamagedFileError: the file is missing or invalid.
    """
    return read_model(path, Paper, what="the paper's claims", remedy=RESTORE)
