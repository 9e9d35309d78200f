"""The outcome of a run: what Table 1, the cost table and the verdicts are made from, as one document.

`report` writes it as `table1.json`; rendering, judging and comparing read nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.core.documents import read_result
from harness.core.measures import BASE, Measure, measure
from harness.core.paths import RunPaths
from harness.core.results import PromptFacts, Record, Score, Truncation, Usage, WeightsMoved
from harness.core.search import Search
from harness.core.statistics import Difference

SCHEMA_VERSION = 2

Differences = dict[str, dict[str, dict[str, Difference]]]


class AnalyseResult(Record):
    """The paired comparisons of a run.

    Attributes:
        differences: arm -> reference -> measure -> arm minus reference. The references of an arm are the arms
            that the profile names before it, the base among them.
        family: number of tests that Holm's correction covers: all of `differences` that have a p value.
        resamples, level, seed: of the bootstrap, of the intervals and tests, of the resampling.
        equivalence_family: number of equivalence tests, a family of their own; 0 in documents from before
            they were made.
    """

    differences: Differences
    family: int
    equivalence_family: int = 0
    resamples: int
    level: float
    seed: int


class SaeFacts(Record):
    """The quality of the run's SAE where it was measured.

    Attributes:
        explained_variance, mean_l0, dead_fraction: on activations that it was not trained on.
        tokens: their number.
        made_in_s: seconds that collecting the activations and training took; None for one that came ready.
    """

    explained_variance: float
    mean_l0: float
    dead_fraction: float
    tokens: int
    made_in_s: float | None


class TrainingFacts(Record):
    """What is kept of an arm's training besides its cost.

    Attributes:
        learning_rates: number of learning rates recorded, one a step.
        peak_learning_rate: the largest of them.
        truncation: of the training pairs.
        loss_trace: SimPO loss in nats without the penalty, one a step, mean over the step's pairs; empty in
            documents from before it was kept.
        threads: CPU threads of a rank; None in documents from before they were kept.
        objective: what `loss_trace` is of; absent where it is SimPO.
        movable: share of the trained entries that training can move; absent where it is 1.
    """

    steps: int
    epochs: int
    pairs: int
    learning_rates: int
    peak_learning_rate: float | None
    max_grad_norm: float | None
    moved: WeightsMoved | None
    truncation: Truncation | None
    loss_trace: tuple[float, ...] = ()
    threads: int | None = None
    movable: Annotated[float, Field(exclude_if=lambda value: value == 1.0)] = 1.0
    objective: Annotated[str, Field(exclude_if=lambda value: value == "simpo")] = "simpo"


class ArmOutcome(Record):
    """One arm.

    Attributes:
        title: for people.
        training: None for an arm that does not train.
        search: how a fitted arm was tuned; None and absent for the others.
        scores: by measure, `preference.loss` and `preference.penalised_loss` among them.
        accuracy: share of test pairs whose chosen reward is the larger.
        mean_l0, mean_l1: of the steering vector; None for an arm that does not steer.
        training_usage, evaluation_usage: what the two stages cost; none of training for an untrained arm; a
            fitted arm's is that of its fit.
        prompts: by task.
        chat_template_sha256: of the tokenizer's template.
        train_s, evaluate_s: seconds of the two whole stages.
        task_s: seconds of each part of the evaluation.
        truncation: of the test pairs; None in documents from before it was kept.
        evaluation_threads: CPU threads; likewise.
    """

    title: str
    training: TrainingFacts | None
    scores: dict[str, Score]
    accuracy: Score
    mean_l0: float | None
    mean_l1: float | None
    training_usage: Usage | None
    evaluation_usage: Usage
    prompts: dict[str, PromptFacts]
    chat_template_sha256: str
    train_s: float
    evaluate_s: float
    task_s: dict[str, float]
    truncation: Truncation | None = None
    evaluation_threads: int | None = None
    search: Annotated[Search | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def epoch_s(self) -> float | None:
        """Seconds of one pass over the training pairs; None for an untrained arm."""
        if self.training is None or self.training_usage is None or self.training.epochs == 0:
            return None
        return self.training_usage.wall_s / self.training.epochs


class Outcome(Record):
    """A run.

    Attributes:
        schema_version: of this layout.
        profile, title, note, profile_digest: which profile, and what its numbers are not.
        model: the base model's id.
        protocol: how lm-eval was set.
        dtype: of the parameters.
        hardware, device: the class of machine, and its device's name.
        versions: of the packages that can change a number.
        commits: every commit that a stage of this run was made on; `dirty` if one had uncommitted changes.
        seed: of the training.
        limits: how many items were used where not all were, by `tasks.<name>`, `train_pairs`, `test_pairs`; 0
            is all.
        measures: names of Table 1's columns, in order.
        minimum_moved: the profile's floor for the share of weights that training must change.
        order: names of the arms in the profile's order.
        arms: in that order, also after reading a file whose keys are sorted.
        comparisons: all paired differences.
        sae: its quality; None if not measured.
        prepare_s: seconds of the stage `prepare`.
        paper_values: whether the paper's values stand beside this run's; documents from before it was kept
            are of bundled profiles, where they do.
        random_weights: whether the weights were random, so that only memory and speed mean anything.
        python, date: the interpreter, and the day in UTC on which the last arm was finished; empty in
            documents from before they were kept.
    """

    schema_version: int = SCHEMA_VERSION
    profile: str
    title: str
    note: str
    profile_digest: str
    model: str
    protocol: str
    dtype: str
    hardware: str
    device: str
    versions: dict[str, str]
    commits: tuple[str, ...]
    dirty: bool
    seed: int
    limits: dict[str, int]
    measures: tuple[str, ...]
    minimum_moved: float
    order: tuple[str, ...]
    arms: dict[str, ArmOutcome]
    comparisons: AnalyseResult
    sae: SaeFacts | None
    prepare_s: float
    paper_values: bool = True
    random_weights: bool = False
    python: str = ""
    date: str = ""

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("arms"), dict):
            return data
        arms, order = data["arms"], data.get("order")
        if not isinstance(order, list | tuple) or not all(isinstance(name, str) for name in order):
            return data
        if sorted(arms) != sorted(order):
            raise ValueError("`order` does not name the arms, each once")
        return {**data, "arms": {name: arms[name] for name in order}}

    @property
    def columns(self) -> list[Measure]:
        """Table 1's columns."""
        return [measure(name) for name in self.measures]

    def difference(self, arm: str, reference: str, name: str) -> Difference | None:
        """Arm minus reference on a measure, in whichever order it was computed; None where it was not."""
        forward = self.comparisons.differences.get(arm, {}).get(reference, {}).get(name)
        if forward is not None:
            return forward
        backward = self.comparisons.differences.get(reference, {}).get(arm, {}).get(name)
        if backward is None:
            return None
        update = {"effect": 0 - backward.effect, "low": 0 - backward.high, "high": 0 - backward.low}
        return backward.model_copy(update=update)

    @property
    def trained(self) -> dict[str, ArmOutcome]:
        """The arms that trained."""
        return {name: arm for name, arm in self.arms.items() if arm.training is not None and name != BASE}


def outcome_path(paths: RunPaths) -> Path:
    """Where a run's outcome is written."""
    return paths.report / "table1.json"


def read_outcome(path: Path, *, made_by: str) -> Outcome:
    """Read `table1.json`.

    Raises:
        MissingInputError, DamagedFileError: it is missing or invalid.
    """
    return read_result(path, Outcome, what="the results", made_by=made_by)
