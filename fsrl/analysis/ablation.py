"""Causal ablation: the evaluation with the steering of a category, or of random features, masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, field_validator

from fsrl.analysis.counted import counted
from fsrl.analysis.options import Options
from harness.errors import DataError, ProfileError
from harness.features import CATEGORIES
from harness.findings import Ablated, AblationResult, Interval
from harness.study import Found, StudyScene

if TYPE_CHECKING:
    from fsrl.analysis.subject import Subject

SUMMARY = "Causal ablation: loss and scores with style, alignment or random features not steered."
LAYOUT = 1
READS = ("census",)
ALL_ARMS = True


class Config(Options):
    """Options.

    Attributes:
        draws: random masks of each category's size.
        tasks: of the profile, scored with each category masked (random draws have the loss only).
    """

    draws: Annotated[int, Field(gt=1)] = 5
    tasks: tuple[str, ...] = ()

    @field_validator("tasks", mode="before")
    @classmethod
    def _lists_are_tuples(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given


class Mask(NamedTuple):
    """Features to mask. `like` is the category whose size a random draw has."""

    name: str
    features: list[int]
    like: str = ""
    draw: int | None = None


def run(config: Config, scene: StudyScene) -> Found:
    """Score the test pairs under each mask, and the tasks under those that are not random.

    Raises:
        DataError: no feature of a category is ever steered.
        ProfileError: a task that the profile does not have.
    """
    from tqdm import tqdm

    from fsrl.analysis.evaluation_loss import against, base_loss, losses
    from fsrl.analysis.subject import load_subject

    unknown = [task for task in config.tasks if task not in scene.profile.evaluation.tasks]
    if unknown:
        raise ProfileError(
            "the profile has no such task",
            value=unknown[0],
            remedy=f"choose of: {', '.join(scene.profile.evaluation.tasks)}",
        )
    used = set(map(int, counted(scene).per_feature("steering", "count").nonzero()[0]))
    masks = choose_masks(scene, used, config.draws)
    subject, seed = load_subject(scene), scene.profile.training.seed
    learned = losses(subject, scene)
    rows = []
    for mask in tqdm(masks, desc="  ablation", leave=False, disable=None):
        subject.adapter.mask(mask.features)
        found = losses(subject, scene)
        gap = against(found.pairs, learned.pairs, seed)
        rows.append(
            Ablated(
                masked=mask.name,
                features=len(mask.features),
                draw=mask.draw,
                loss=found.score.value,
                stderr=found.score.stderr,
                difference=gap.value,
                low=gap.low,
                high=gap.high,
                mean_l0=found.mean_l0,
                scores=_scores(config, scene, subject) if mask.draw is None else {},
            )
        )
        subject.adapter.mask([])
    result = AblationResult(
        rows=tuple(rows),
        random={
            name: spread([row for row in rows if row.masked == f"random, as many as {name}"])
            for name in CATEGORIES
        },
        base_loss=base_loss(scene),
        pairs=learned.score.n,
        seed=seed,
    )
    return Found(result)


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
    masks, generator = [Mask("nothing", [])], np.random.default_rng(scene.profile.training.seed)
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
            masks.append(Mask(f"random, as many as {name}", sorted(map(int, chosen)), name, draw))
    return masks


def spread(rows: list[Ablated]) -> Interval:
    """Mean difference over the random draws, with the range of the draws as its interval."""
    values = [row.difference for row in rows]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    stderr = (variance / len(values)) ** 0.5
    return Interval(value=mean, stderr=stderr, low=min(values), high=max(values))


def _scores(config: Config, scene: StudyScene, subject: Subject) -> dict[str, float]:
    from harness.evaluation.benchmark import quiet
    from harness.evaluation.score import Ready, guarded, score_task

    if not config.tasks:
        return {}
    with quiet():
        lm = guarded(scene.profile, Ready(subject.arm, subject.model, subject.tokenizer))
    found: dict[str, float] = {}
    for task in config.tasks:
        scores = score_task(scene.profile, scene.prepared, lm, task).scores
        found |= {name: score.value for name, score in scores.items() if name.count(".") == 1}
    return found
