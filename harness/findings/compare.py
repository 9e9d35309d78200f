"""Two outcomes side by side: which values are out of tolerance, and when they must not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator

from harness.core.differing import refuse_unlike
from harness.core.documents import RESTORE, read_model
from harness.core.measures import PREFERENCE
from harness.core.results import PromptFacts, Record, Score, Usage
from harness.findings.outcome import ArmOutcome, Outcome

ROUNDING = 1e-12
NOT_COMPARED = "not compared: other hardware"
TOLERANCES = Path(__file__).parent / "tolerances.toml"

Kind = Literal[
    "loss", "score", "share", "sparsity", "count", "hash", "verdict", "seconds", "tokens_per_s", "gib"
]
COSTS: tuple[Kind, ...] = ("seconds", "tokens_per_s", "gib")
"""They say something of the machine too, and compare within one hardware class only."""
RuleName = Literal["standard_errors", "exact", "ratio", "ratio_floor", "relative"]
Scalar = float | int | str | None


class Rule(Record):
    """How far a kind of quantity may move; see `tolerances.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: RuleName
    limit: float | None = None
    items: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _limited(self) -> Rule:
        if (self.limit is None) != (self.rule == "exact"):
            raise ValueError(f"{self.rule}: `limit` is needed by every rule but `exact`")
        if self.limit is not None and self.limit <= 0:
            raise ValueError("`limit` must be above 0")
        if self.items and self.rule != "standard_errors":
            raise ValueError("`items` belongs to the rule standard_errors")
        return self

    def __str__(self) -> str:
        limit = "" if self.limit is None else f" {self.limit:g}"
        return f"{self.rule}{limit}" + (f" or items {self.items}" if self.items else "")


class Tolerances(Record):
    """A rule for every kind of quantity."""

    loss: Rule
    score: Rule
    share: Rule
    sparsity: Rule
    count: Rule
    hash: Rule
    verdict: Rule
    seconds: Rule
    tokens_per_s: Rule
    gib: Rule

    def of(self, kind: Kind) -> Rule:
        """The rule of a kind."""
        rule: Rule = getattr(self, kind)
        return rule


class Quantity(NamedTuple):
    """One number, digest or verdict of a run; `stderr` and the number of items `n` for means."""

    kind: Kind
    value: Scalar
    stderr: float = 0.0
    n: int = 0


class Delta(NamedTuple):
    """A quantity in both outcomes; `why` says which rule was broken, and is empty where none was."""

    name: str
    old: Scalar
    new: Scalar
    allowed: str
    why: str


def read_tolerances(path: Path = TOLERANCES) -> Tolerances:
    """The written rules.

    Raises:
        DamagedFileError: a kind without a rule, an unknown kind or a bad rule.
    """
    return read_model(path, Tolerances, what="the tolerances", remedy=RESTORE)


def require_comparable(new: Outcome, old: Outcome, where: Path) -> None:
    """Refuse to compare unlike results, those of random weights with real ones above all.

    Raises:
        NotComparableError: schema, kind of weights, profile digest, protocol, hardware class, dtype or a
            package major version differ; the message names each with both values.
    """
    refuse_unlike(
        {"committed": identity(old), "here": identity(new)},
        where=where,
        remedy="run with what the committed results had, or accept the new ones with --update",
    )


def identity(outcome: Outcome) -> dict[str, str]:
    """What two outcomes must share to be comparable."""
    return {
        "schema version": str(outcome.schema_version),
        "weights": "random" if outcome.random_weights else "real",
        "profile digest": outcome.profile_digest,
        "protocol": outcome.protocol,
        "hardware class": outcome.hardware,
        "dtype": outcome.dtype,
        **{f"major version of {name}": major(version) for name, version in outcome.versions.items()},
    }


def major(version: str) -> str:
    """The part of a version whose change may break: up to the first number that is not 0 (`2`, `0.4`)."""
    parts = version.split("+")[0].split(".")
    for place, part in enumerate(parts):
        if part != "0":
            return ".".join(parts[: place + 1])
    return version


def compare(new: Outcome, old: Outcome, tolerances: Tolerances, *, same_hardware: bool = True) -> list[Delta]:
    """Every quantity of either outcome; on other hardware the costs are there, and not compared."""
    ours, theirs = dict(quantities(new)), dict(quantities(old))
    deltas = side_by_side(ours, theirs, tolerances)
    if same_hardware:
        return deltas
    costs = {name for name, one in (theirs | ours).items() if one.kind in COSTS}
    return [one._replace(allowed=NOT_COMPARED, why="") if one.name in costs else one for one in deltas]


def side_by_side(
    new: Mapping[str, Quantity], old: Mapping[str, Quantity], tolerances: Tolerances
) -> list[Delta]:
    """Every quantity of either side; one that only one of them has is a regression too."""
    names = [*old, *(name for name in new if name not in old)]
    return [_delta(name, new.get(name), old.get(name), tolerances) for name in names]


def _delta(name: str, new: Quantity | None, old: Quantity | None, tolerances: Tolerances) -> Delta:
    if new is None or old is None:
        lost = "is not in this run" if new is None else "is not in the committed results"
        return Delta(name, old.value if old else None, new.value if new else None, "present", lost)
    rule = tolerances.of(old.kind)
    return Delta(name, old.value, new.value, str(rule), "" if _holds(rule, new, old) else f"left {rule}")


def _holds(rule: Rule, new: Quantity, old: Quantity) -> bool:
    if rule.rule == "exact" or not isinstance(new.value, float) or not isinstance(old.value, float):
        return new.value == old.value
    limit, distance = rule.limit or 0.0, abs(new.value - old.value)
    if rule.rule == "standard_errors":
        some_items = rule.items / old.n if old.n else 0.0
        return distance <= max(limit * old.stderr, some_items) + ROUNDING
    if rule.rule == "relative":
        return distance <= limit * abs(old.value)
    if rule.rule == "ratio":
        return new.value <= limit * old.value
    return new.value >= old.value / limit


def quantities(outcome: Outcome) -> Iterator[tuple[str, Quantity]]:
    """Everything that is compared, by name."""
    for name, arm in outcome.arms.items():
        for part, quantity in _arm(arm):
            yield f"{name}: {part}", quantity


def _arm(arm: ArmOutcome) -> Iterator[tuple[str, Quantity]]:
    for name, score in arm.scores.items():
        yield from _score(name, score, "loss" if name in PREFERENCE else "score")
    yield from _score("preference accuracy", arm.accuracy, "share")
    yield "mean L0", Quantity("sparsity", arm.mean_l0)
    yield "mean L1", Quantity("sparsity", arm.mean_l1)
    yield "chat template", Quantity("hash", arm.chat_template_sha256)
    for task, facts in arm.prompts.items():
        yield from _prompts(task, facts)
    if arm.training is not None:
        for name in ("steps", "epochs", "pairs", "learning_rates"):
            yield name, Quantity("count", getattr(arm.training, name))
    if arm.training_usage is not None:
        yield "trainable parameters", Quantity("count", arm.training_usage.trainable_parameters)
        yield "training tokens", Quantity("count", arm.training_usage.tokens)
        yield "training tokens/s", Quantity("tokens_per_s", arm.training_usage.tokens_per_s)
        yield from _usage("training", arm.training_usage)
    yield from _usage("evaluation", arm.evaluation_usage)


def _score(name: str, score: Score, kind: Kind) -> Iterator[tuple[str, Quantity]]:
    yield name, Quantity(kind, score.value, score.stderr, score.n)
    yield f"{name}, n", Quantity("count", score.n)


def _prompts(task: str, facts: PromptFacts) -> Iterator[tuple[str, Quantity]]:
    shown: Mapping[str, Scalar] = {
        "requests": facts.requests,
        "fewest BOS": facts.bos_min,
        "most BOS": facts.bos_max,
        "truncated": facts.truncated,
        "stop ids": " ".join(map(str, facts.stop_ids)),
    }
    for name, value in shown.items():
        yield f"{task}, {name}", Quantity("count", value)
    yield f"{task}, first prompt", Quantity("hash", facts.first_prompt_sha256)
    yield f"{task}, prompts", Quantity("hash", facts.prompts_sha256)


def _usage(stage: str, usage: Usage) -> Iterator[tuple[str, Quantity]]:
    yield f"{stage}, seconds", Quantity("seconds", usage.wall_s)
    yield f"{stage}, peak allocated GiB", Quantity("gib", usage.peak_allocated_gib)
    yield f"{stage}, peak reserved GiB", Quantity("gib", usage.peak_reserved_gib)
    yield f"{stage}, peak RSS GiB", Quantity("gib", usage.peak_rss_gib)
