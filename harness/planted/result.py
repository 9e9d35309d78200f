"""The result of `planted-truth`: a trial for each reward, seed and arm: planted, learned, seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.core.results import Interval, Record, Score
from harness.findings.activity import Composition
from harness.findings.audit import Regression
from harness.findings.controls import ControlsResult
from harness.findings.reading import LABELS
from harness.planted.reward import Planted
from harness.planted.rule import LEARNED, RULES, Counts, confusion, ordered

SCHEMA_VERSION = 2
NAME = "planted-truth"


class Seen(Record):
    """What the analyses of features say of an arm that steers them.

    Attributes:
        composition: shares of each category in the SAE's activations and in the steering vector, by context.
        harm, random_harm: loss that masking a category adds, and that random masks of its size do.
        masked: features masked for each category.
        contrasts, readings: by analysis, what its rule made of it.
    """

    composition: tuple[Composition, ...]
    harm: dict[str, Interval]
    random_harm: dict[str, Interval]
    masked: dict[str, int]
    contrasts: dict[str, float]
    readings: dict[str, str]


class Trial(Record):
    """One arm, trained on one reward with one seed.

    Attributes:
        reward: the planted label.
        seed: of the training.
        arm: its name in the profile.
        loss, accuracy: SimPO on the test pairs, ranked by the same reward; `base_*` of the base model.
        mean_l0: steered features a position; None for an arm that does not steer.
        audit: the gaps regressed on the planted terms.
        learned: the label that the rule makes of it.
        seen: None for an arm that does not steer, and where nothing was planted.
    """

    reward: str
    seed: int
    arm: str
    loss: Score
    base_loss: float
    accuracy: Score
    base_accuracy: float
    mean_l0: float | None
    audit: Regression
    learned: str
    seen: Seen | None


class PlantedResult(Record):
    """The artefact of the session.

    Attributes:
        profile, profile_digest: of the run that the trials vary.
        inputs: digest of the files of the base `model` and of the `sae`.
        rewards: what was planted, by label.
        train_pairs: of each training.
        rules, margins: how each analysis is read.
        learned: arm -> planted label -> learned label -> trials.
        seen: analysis -> learned label -> label read -> trials of the arm that steers.
        recovered: analysis -> planted label -> label read -> trials: both arrows at once, as in 0050.
        order: analysis -> seed -> whether the contrasts fall from style-heavy to truth-heavy.
        controls: of every seed's adapter of the mixed reward, one oracle of each kind.
        commits, dirty: of everything that the trials were made with; dirty where any had uncommitted changes.
        provenance: of the session that put them together.
    """

    schema_version: int = SCHEMA_VERSION
    command: str
    profile: str
    profile_digest: str
    inputs: dict[str, str]
    rewards: dict[str, Planted]
    train_pairs: int
    trials: tuple[Trial, ...]
    rules: dict[str, str]
    margins: dict[str, float]
    learned: dict[str, Counts]
    seen: dict[str, Counts]
    recovered: dict[str, Counts]
    order: dict[str, dict[str, bool]]
    controls: ControlsResult
    commits: tuple[str, ...]
    dirty: bool | None
    provenance: dict[str, Any]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds, each once."""
        return tuple(dict.fromkeys(trial.seed for trial in self.trials))


class Parts(NamedTuple):
    """What the session gathered.

    Attributes:
        trials, controls: as in the result.
        rewards: what was planted, by label.
        made: provenance of every artefact that they were read from.
    """

    trials: Sequence[Trial]
    controls: ControlsResult
    rewards: Mapping[str, Planted]
    made: Sequence[Mapping[str, Any]]


def assemble(
    parts: Parts,
    *,
    command: str,
    profile: str,
    profile_digest: str,
    inputs: Mapping[str, str],
    train_pairs: int,
    provenance: Mapping[str, Any],
) -> PlantedResult:
    """The result of trials."""
    dirt = [one["dirty"] for one in parts.made]
    steering = [(trial, trial.seen) for trial in parts.trials if trial.seen is not None]
    arms = dict.fromkeys(trial.arm for trial in parts.trials)
    return PlantedResult(
        command=command,
        profile=profile,
        profile_digest=profile_digest,
        inputs=dict(inputs),
        rewards=dict(parts.rewards),
        train_pairs=train_pairs,
        trials=tuple(parts.trials),
        rules={name: rule.text for name, rule in RULES.items()},
        margins={name: rule.margin for name, rule in RULES.items()},
        learned={
            arm: confusion(
                ((trial.reward, trial.learned) for trial in parts.trials if trial.arm == arm),
                LEARNED,
                LEARNED,
            )
            for arm in arms
        },
        seen={
            name: confusion(
                ((trial.learned, seen.readings[name]) for trial, seen in steering), LEARNED, LABELS
            )
            for name in RULES
        },
        recovered={
            name: confusion(((one.reward, seen.readings[name]) for one, seen in steering), LABELS, LABELS)
            for name in RULES
        },
        order={name: order_by_seed(parts.trials, name) for name in RULES},
        controls=parts.controls,
        commits=tuple(sorted({str(one["commit"]) for one in parts.made})),
        dirty=None if None in dirt else any(dirt),
        provenance=dict(provenance),
    )


def order_by_seed(trials: Sequence[Trial], analysis: str) -> dict[str, bool]:
    """Of each seed that has every reward: whether the contrasts fall from style to truth."""
    found = {
        (trial.seed, trial.reward): trial.seen.contrasts[analysis]
        for trial in trials
        if trial.seen is not None
    }
    seeds = dict.fromkeys(trial.seed for trial in trials)
    return {
        str(seed): ordered([found[seed, name] for name in LABELS])
        for seed in seeds
        if all((seed, name) in found for name in LABELS)
    }
