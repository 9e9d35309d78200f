"""The result of `planted-truth`: a trial for each reward and seed, and the confusion tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.results import Interval, Record, Score
from harness.findings.activity import Composition
from harness.planted.reward import Planted
from harness.planted.rule import LABELS, RULES, confusion, ordered

SCHEMA_VERSION = 1
NAME = "planted-truth"


class Trial(Record):
    """One adapter, trained on one reward with one seed.

    Attributes:
        reward: the planted label.
        seed: of the training.
        loss, accuracy: SimPO on the test pairs, ranked by the same reward; `base_*` of the base model.
        mean_l0: steered features a position.
        composition: shares of each category in the SAE's activations and in the steering vector, by context.
        harm, random_harm: loss that masking a category adds, and that random masks of its size do.
        masked: features masked for each category.
        contrasts, recovered: by analysis, what its rule made of it.
    """

    reward: str
    seed: int
    loss: Score
    base_loss: float
    accuracy: Score
    base_accuracy: float
    mean_l0: float
    composition: tuple[Composition, ...]
    harm: dict[str, Interval]
    random_harm: dict[str, Interval]
    masked: dict[str, int]
    contrasts: dict[str, float]
    recovered: dict[str, str]


class PlantedResult(Record):
    """The artefact of the session.

    Attributes:
        profile, profile_digest: of the run that the trials vary.
        inputs: digest of the files of the base `model` and of the `sae`.
        rewards: what was planted, by label.
        rules, margins: how each analysis is read.
        confusion: analysis -> planted label -> recovered label -> trials.
        order: analysis -> seed -> whether the contrasts fall from style-heavy to truth-heavy.
        commits, dirty: of everything that the trials were made with; dirty where any had uncommitted changes.
        provenance: of the session that put them together.
    """

    schema_version: int = SCHEMA_VERSION
    command: str
    profile: str
    profile_digest: str
    inputs: dict[str, str]
    rewards: dict[str, Planted]
    trials: tuple[Trial, ...]
    rules: dict[str, str]
    margins: dict[str, float]
    confusion: dict[str, dict[str, dict[str, int]]]
    order: dict[str, dict[str, bool]]
    commits: tuple[str, ...]
    dirty: bool | None
    provenance: dict[str, Any]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds, each once."""
        return tuple(dict.fromkeys(trial.seed for trial in self.trials))


def assemble(
    *,
    command: str,
    profile: str,
    profile_digest: str,
    inputs: Mapping[str, str],
    rewards: Mapping[str, Planted],
    trials: Sequence[Trial],
    made: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> PlantedResult:
    """The result of trials.

    Args:
        made: provenance of every artefact that the trials were read from.
    """
    dirt = [one["dirty"] for one in made]
    return PlantedResult(
        command=command,
        profile=profile,
        profile_digest=profile_digest,
        inputs=dict(inputs),
        rewards=dict(rewards),
        trials=tuple(trials),
        rules={name: rule.text for name, rule in RULES.items()},
        margins={name: rule.margin for name, rule in RULES.items()},
        confusion={
            name: confusion((trial.reward, trial.recovered[name]) for trial in trials) for name in RULES
        },
        order={name: order_by_seed(trials, name) for name in RULES},
        commits=tuple(sorted({str(one["commit"]) for one in made})),
        dirty=None if None in dirt else any(dirt),
        provenance=dict(provenance),
    )


def order_by_seed(trials: Sequence[Trial], analysis: str) -> dict[str, bool]:
    """Of each seed that has every reward: whether the contrasts fall from style to truth."""
    found = {(trial.seed, trial.reward): trial.contrasts[analysis] for trial in trials}
    seeds = dict.fromkeys(trial.seed for trial in trials)
    return {
        str(seed): ordered([found[seed, name] for name in LABELS])
        for seed in seeds
        if all((seed, name) in found for name in LABELS)
    }
