"""Causal ablation: the evaluation with the steering of a category, or of random features, masked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, model_validator

from fsrl.analysis import generations
from fsrl.analysis.contrasts import contrasts, like
from fsrl.analysis.counted import counted
from fsrl.analysis.generations import answer_to, mean, side_by_side
from harness.core.errors import DataError, ProfileError
from harness.core.measures import LOSS
from harness.core.results import Interval
from harness.findings.answers import Answer, GenerationsResult
from harness.findings.features import CATEGORIES
from harness.findings.masked import Ablated, AblationResult
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    from fsrl.analysis.evaluation_loss import Losses
    from fsrl.analysis.subject import Subject
    from harness.core.results import Score

NOTHING = "nothing"
SUMMARY = "Causal ablation: loss, scores and answers with style, alignment or random features not steered."
LAYOUT = 2
READS = ("census",)
ALL_ARMS = True


class Config(Options):
    """Options.

    Attributes:
        draws: random masks of each category's size.
        tasks: of the profile, scored under every mask, the random ones too.
        limits: items of a task (of each subject for MMLU) where the ablation takes fewer than the profile.
        prompts: test pairs, from the front, whose prompts are answered under every mask.
        shown: how many of these answers are kept in full.
        max_new_tokens: bound on an answer.
        features: named at each token of an answer.
        pairs: test pairs scored under every mask, from the front; 0 means all.
    """

    draws: Annotated[int, Field(gt=1)] = 5
    tasks: Annotated[tuple[str, ...], Field(strict=False)] = ()
    limits: dict[str, Annotated[int, Field(gt=1)]] = Field(default_factory=dict)
    prompts: Annotated[int, Field(ge=0)] = 12
    shown: Annotated[int, Field(ge=0)] = 4
    max_new_tokens: Annotated[int, Field(gt=0)] = 96
    features: Annotated[int, Field(gt=0)] = 3
    pairs: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _limits_are_of_tasks(self) -> Config:
        if unknown := sorted(set(self.limits) - set(self.tasks)):
            raise ValueError(f"limits names {unknown[0]}, which is not among tasks")
        return self


class Mask(NamedTuple):
    """Features to mask."""

    name: str
    features: list[int]
    draw: int | None = None

    @property
    def key(self) -> str:
        """A key that no other mask has."""
        return self.name if self.draw is None else f"{self.name} ({self.draw + 1})"


class Outcome(NamedTuple):
    """What one mask gave: its row, and what is not part of the row."""

    row: Ablated
    items: dict[str, int]
    answers: list[Answer]


def run(config: Config, scene: StudyScene) -> Found:
    """Score the test pairs and the tasks under each mask, and answer prompts.

    Raises:
        DataError: no feature of a category is ever steered.
        ProfileError: a task that the profile does not have.
    """
    from tqdm import tqdm

    from fsrl.analysis.evaluation_loss import base_loss, first, losses
    from fsrl.analysis.subject import load_subject

    limited = _limited(config, scene)
    used = set(map(int, counted(scene).per_feature("steering", "count").nonzero()[0]))
    masks = choose_masks(scene, used, config.draws)
    subject = first(load_subject(scene), config.pairs)
    learned = losses(subject, scene)
    bench = Bench(config, limited, subject, learned)
    found = [bench.measure(mask) for mask in tqdm(masks, desc="  ablation", leave=False, disable=None)]
    rows = [one.row for one in found]
    result = AblationResult(
        rows=tuple(rows),
        random={name: spread([row for row in rows if row.masked == like(name)]) for name in CATEGORIES},
        base_loss=base_loss(scene, config.pairs),
        pairs=learned.score.n,
        seed=scene.profile.training.seed,
        contrasts=contrasts(rows, found[0].items),
        answers=_answers(config, scene, bench, masks, found),
    )
    return Found(result)


def _limited(config: Config, scene: StudyScene) -> StudyScene:
    """The scene with the ablation's own numbers of items."""
    evaluation = scene.profile.evaluation
    unknown = [task for task in config.tasks if task not in evaluation.tasks]
    if unknown:
        raise ProfileError(
            "the profile has no such task",
            value=unknown[0],
            remedy=f"choose of: {', '.join(evaluation.tasks)}",
        )
    tasks = {
        name: section.model_copy(update={"limit": fewer(section.limit, config.limits.get(name, 0))})
        for name, section in evaluation.tasks.items()
    }
    profile = scene.profile.model_copy(update={"evaluation": evaluation.model_copy(update={"tasks": tasks})})
    return scene._replace(profile=profile)


def fewer(one: int, other: int) -> int:
    """The smaller of two limits, of which 0 is none."""
    return min(one or other, other or one)


class Bench:
    """Measures the arm in memory under one mask after another."""

    def __init__(self, config: Config, scene: StudyScene, subject: Subject, learned: Losses) -> None:
        from harness.evaluation.score import Ready, guarded, request_store
        from harness.training.pairs import read_pairs

        self.config, self.scene, self.subject, self.learned = config, scene, subject, learned
        self.how = generations.Config(max_new_tokens=config.max_new_tokens, features=config.features)
        self.ready = Ready(subject.arm, subject.model, subject.tokenizer)
        self.lm = guarded(scene.profile, self.ready, request_store(scene.paths, scene.prepared))
        data = scene.profile.data
        rows = Path(scene.prepared.data_root) / data.test
        self.asked = read_pairs(rows, config.prompts, data.system_turn) if config.prompts else []

    def measure(self, mask: Mask) -> Outcome:
        """Everything under this mask; the mask is lifted again."""
        from fsrl.analysis.evaluation_loss import against, losses

        self.subject.adapter.mask(mask.features)
        found = losses(self.subject, self.scene)
        gap = against(found.pairs, self.learned.pairs, self.scene.profile.training.seed)
        scores = self._scores()
        answers = [answer_to(self.how, self.scene, mask.key, self.ready, pair) for pair in self.asked]
        self.subject.adapter.mask([])
        row = Ablated(
            masked=mask.name,
            features=len(mask.features),
            draw=mask.draw,
            loss=found.score.value,
            stderr=found.score.stderr,
            difference=gap.value,
            low=gap.low,
            high=gap.high,
            mean_l0=found.mean_l0,
            scores={name: score.value for name, score in scores.items()},
            answer_tokens=mean([len(one.tokens) for one in answers]) if answers else None,
            markdown=mean([one.markdown for one in answers]) if answers else None,
        )
        items = {LOSS: found.score.n, **{name: score.n for name, score in scores.items()}}
        return Outcome(row, items | dict.fromkeys(("answer_tokens", "markdown"), len(answers)), answers)

    def _scores(self) -> dict[str, Score]:
        from harness.evaluation.score import score_task

        found: dict[str, Score] = {}
        for task in self.config.tasks:
            scores = score_task(self.scene.profile, self.scene.prepared, self.lm, task).scores
            found |= {name: score for name, score in scores.items() if name.count(".") == 1}
        return found


def _answers(
    config: Config, scene: StudyScene, bench: Bench, masks: Sequence[Mask], found: Sequence[Outcome]
) -> GenerationsResult | None:
    """Answers under the masks that are shown; None where nothing was asked."""
    if not bench.asked:
        return None
    shown = {mask.key: one.answers for mask, one in zip(masks, found, strict=True) if not mask.draw}
    titles = {name: "Nothing masked" if name == NOTHING else f"Masked: {name}" for name in shown}
    return side_by_side(bench.how, scene, shown, titles, bench.asked, config.shown)


def choose_masks(scene: StudyScene, used: set[int], draws: int) -> list[Mask]:
    """Nothing; the steered features of each category; random steered features of neither, as many.

    Only features that are steered at all count: masking the others changes nothing.

    Raises:
        DataError: a category has no steered feature, or too few are of neither category.
    """
    import numpy as np

    members = {
        name: sorted(i for i in used if i in scene.features and name in scene.features[i].categories)
        for name in CATEGORIES
    }
    others = sorted(used - {i for found in members.values() for i in found})
    masks, generator = [Mask(NOTHING, [])], np.random.default_rng(scene.profile.training.seed)
    for name, found in members.items():
        if not found or len(others) < len(found):
            raise DataError(
                f"{len(found)} features of the category are steered, and {len(others)} of no category",
                value=name,
                remedy="name a file with categories in [features] of the profile, or leave this study out",
            )
        masks.append(Mask(name, found))
    for name, found in members.items():
        for draw in range(draws):
            chosen = generator.choice(others, size=len(found), replace=False)
            masks.append(Mask(like(name), sorted(map(int, chosen)), draw))
    return masks


def spread(rows: list[Ablated]) -> Interval:
    """Mean difference over the random draws, with the range of the draws as its interval."""
    values = [row.difference for row in rows]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    stderr = (variance / len(values)) ** 0.5
    return Interval(value=mean, stderr=stderr, low=min(values), high=max(values))
