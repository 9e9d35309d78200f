"""From a claim of the paper and a run's outcome to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.core.measures import measure
from harness.core.results import Record
from harness.core.statistics import score_interval
from harness.findings import Finding as StudyFinding
from harness.findings.outcome import ArmOutcome, Outcome
from harness.paper.claims import (
    NEVER_TESTED,
    Claim,
    Confusion,
    Cost,
    Direction,
    Paper,
    Quantity,
    Sparsity,
    Status,
    StudyPredicate,
    TablePredicate,
    Value,
)
from harness.paper.direction import side
from harness.paper.finding import Finding, either, together
from harness.paper.study_verdict import Answer, find_in_studies

NOT_RUN: Answer = "not run"

ABOUT_RUN: dict[Answer, str] = {
    "reproduced": "same direction (this model)",
    "not reproduced": "opposite direction (this model)",
    "inconclusive": "inconclusive (this model)",
}
"""The words for an answer of a run that is not the paper's own."""


class Verdict(Record):
    """What a run says about a claim.

    Attributes:
        claim, sentence, source, status: of the claim.
        answer: the verdict.
        about_paper: False where the run is not one of the paper's profile: then `answer` is about that run
            only, and `label` says so.
        findings: the numbers behind it, one line each, or the reason why there are none.
        remark: what a reader of the verdict should know.
        deciding_n: items that would decide an inconclusive claim with 80 % power; None where no number would.
        beyond: for "equivalent": the difference beyond which there is none, and in which comparisons.
    """

    claim: str
    sentence: str
    source: str
    status: Status
    answer: Answer
    about_paper: bool
    findings: tuple[str, ...]
    remark: str = ""
    deciding_n: int | None = None
    beyond: str = ""

    @property
    def evidence(self) -> str:
        """Findings and remark in one line."""
        text = "; ".join(self.findings)
        return f"{text}. {self.remark}" if self.remark else text

    @property
    def label(self) -> str:
        """The verdict's label, which claims no more than the run can show."""
        if self.answer == "equivalent":
            none = f"no difference beyond {self.beyond}"
            return none if self.about_paper else f"{none} (this model)"
        return self.answer if self.about_paper else ABOUT_RUN.get(self.answer, self.answer)


def judge(paper: Paper, outcome: Outcome, studies: Sequence[StudyFinding] = ()) -> list[Verdict]:
    """A verdict on every claim, in the file's order.

    Args:
        studies: what the studies of the run found; a claim about one that is not there is `not run`.
    """
    about_paper = outcome.paper_values and outcome.profile == paper.profile and outcome.model == paper.model
    return [_judge_one(claim, outcome, about_paper, studies) for claim in paper.claims]


def _judge_one(claim: Claim, outcome: Outcome, about_paper: bool, studies: Sequence[StudyFinding]) -> Verdict:
    """`Claim` refuses predicates of what is lost or an artefact; here they would not be asked either."""
    finding = Finding("untestable" if claim.status in NEVER_TESTED else "not run", (claim.reason,))
    predicates = () if claim.status in NEVER_TESTED else claim.predicates
    if predicates and outcome.random_weights:
        finding = Finding("not run", ("random weights: only memory and speed mean anything",))
    elif predicates:
        found = [
            Finding(*find_in_studies(predicate, studies))
            if isinstance(predicate, StudyPredicate)
            else _find(predicate, outcome, about_paper)
            for predicate in predicates
        ]
        finding = together(found)
    return Verdict(
        claim=claim.id,
        sentence=claim.sentence,
        source=claim.source,
        status=claim.status,
        answer=finding.answer,
        about_paper=about_paper,
        findings=finding.evidence,
        remark=claim.reason if predicates else "",
        deciding_n=finding.deciding_n,
        beyond=_beyond(finding),
    )


def _beyond(finding: Finding) -> str:
    """What a claim's label says: `1 point`, or `1 point in 1 of 4 comparisons`."""
    equal, parts = len(finding.beyond), len(finding.evidence)
    sizes = " and ".join(dict.fromkeys(finding.beyond))
    return sizes if equal in (0, parts) else f"{sizes} in {equal} of {parts} comparisons"


def _find(predicate: TablePredicate, outcome: Outcome, about_paper: bool) -> Finding:
    if isinstance(predicate, Confusion):
        return _confusion(predicate)
    if isinstance(predicate, Value | Sparsity) and not about_paper:
        return Finding("untestable", ("the printed number belongs to the paper's own model and data",))
    named = [predicate.arm, *([predicate.reference] if isinstance(predicate, Direction | Cost) else [])]
    absent = [arm for arm in named if arm not in outcome.arms]
    if absent:
        return Finding("not run", (f"the profile has no arm {' and no arm '.join(absent)}",))
    match predicate:
        case Direction():
            return together([side(predicate, name, outcome) for name in predicate.measures])
        case Value():
            arm = outcome.arms[predicate.arm]
            return either([_equal(predicate, name, arm) for name in predicate.measures])
        case Sparsity():
            return _sparsity(predicate, outcome)
        case Cost():
            return _cost(predicate, outcome)


def _equal(predicate: Value, name: str, arm: ArmOutcome) -> Finding:
    score = arm.scores.get(name)
    what = measure(name)
    if score is None:
        return Finding("not run", (f"{what.title} was not scored",))
    low, high = score_interval(score)
    evidence = (
        f"{what.title}, {predicate.arm}: {score.value:.3f} [{low:.3f}, {high:.3f}], n = {score.n}; "
        f"printed {predicate.printed:g}, tolerance {predicate.tolerance:g}"
    )
    least, most = predicate.printed - predicate.tolerance, predicate.printed + predicate.tolerance
    if least <= low and high <= most:
        return Finding("reproduced", (evidence,))
    if high < least or most < low:
        return Finding("not reproduced", (evidence,))
    return Finding("inconclusive", (evidence,), _enough_items(score.value, (low, high), score.n, predicate))


def _enough_items(value: float, interval: tuple[float, float], n: int, predicate: Value) -> int | None:
    """Items at which the interval is half as wide as the distance to the tolerance's edge allows."""
    room = abs(predicate.tolerance - abs(value - predicate.printed))
    half = (interval[1] - interval[0]) / 2
    return math.ceil(n * (half / room) ** 2) if room > 0 else None


def _sparsity(predicate: Sparsity, outcome: Outcome) -> Finding:
    l0 = outcome.arms[predicate.arm].mean_l0
    if l0 is None:
        return Finding("not run", (f"{predicate.arm} reports no L0",))
    near = abs(l0 - predicate.printed) <= predicate.tolerance
    evidence = f"mean L0 {l0:.1f}; printed {predicate.printed:g}, tolerance {predicate.tolerance:g}"
    return Finding("reproduced" if near else "not reproduced", (evidence,))


def _cost(predicate: Cost, outcome: Outcome) -> Finding:
    arm, reference = outcome.arms[predicate.arm], outcome.arms[predicate.reference]
    first, second = _quantity(arm, predicate.quantity), _quantity(reference, predicate.quantity)
    if first is None or second is None or second[0] <= 0 or first[1] != second[1]:
        return Finding("not run", (f"{predicate.quantity} was not measured for both arms",))
    ratio = first[0] / second[0]
    evidence = (
        f"{first[1]}: {_plain(first[0])} against {_plain(second[0])}, ratio {ratio:.3g}, one run an arm"
    )
    if ratio <= 1 - predicate.margin and ratio < 1:
        return Finding("reproduced", (evidence,))
    if ratio >= 1 / (1 - predicate.margin):
        return Finding("not reproduced", (evidence,))
    return Finding("inconclusive", (f"{evidence}, within the margin of {predicate.margin:.0%}",))


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"


def _quantity(arm: ArmOutcome, quantity: Quantity) -> tuple[float, str] | None:
    """A cost and the name of what was measured."""
    if quantity == "mean L0":
        return None if arm.mean_l0 is None else (arm.mean_l0, "mean L0 of the steering vector, features")
    usage = arm.training_usage
    if usage is None:
        return None
    if quantity == "trainable parameters":
        return float(usage.trainable_parameters), "trainable parameters"
    if quantity == "epoch time":
        return None if arm.epoch_s is None else (arm.epoch_s, "seconds an epoch")
    if usage.peak_reserved_gib is not None:
        return usage.peak_reserved_gib, "peak reserved GPU memory, GiB"
    return usage.peak_rss_gib, "peak resident set (no GPU), GiB"


def _confusion(predicate: Confusion) -> Finding:
    tp, tn = predicate.true_positives, predicate.true_negatives
    fp, fn = predicate.false_positives, predicate.false_negatives
    accuracy = (tp + tn) / (tp + tn + fp + fn)
    mcc = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    close = 0.5 * 10**-predicate.digits + 1e-12
    same = abs(accuracy - predicate.accuracy) <= close and abs(mcc - predicate.mcc) <= close
    evidence = f"the counts give accuracy {accuracy:.4f} and MCC {mcc:.4f}"
    return Finding("arithmetic holds" if same else "arithmetic fails", (evidence,))
