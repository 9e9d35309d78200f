"""Appendix E: does an offline classifier recover the planted categories from the features' explanations?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from harness.classification.nearest import Nearest
from harness.classification.validation import RESAMPLES, validated
from harness.core.errors import DataError
from harness.findings.classification import ClassificationResult
from harness.findings.features import CATEGORIES
from harness.study import Found, Options, StudyScene

SUMMARY = "Appendix E: categories from explanations, by the nearest labelled ones, against the known labels."
LAYOUT = 1
READS: tuple[str, ...] = ()
ALL_ARMS = False
WHOLE, WITHOUT = "whole", "without its lead-in"
TEXTS: dict[str, Callable[[str], str]] = {
    WHOLE: lambda text: text,
    WITHOUT: lambda text: text.partition(": ")[2] or text,
}


class Config(Options):
    """Options.

    Attributes:
        embedding: of the explanations; there is one.
        neighbours: labelled explanations that decide.
        folds: of the labelled ones; each is classified from those of the other folds.
        lead_in: whether every explanation begins with words about its kind and a colon, as the miniature's
            do; then the classifier is also tried without them, because these words almost name the category.
        resamples: of the bootstrap over features.
    """

    embedding: Literal["tfidf"] = "tfidf"
    neighbours: Annotated[int, Field(gt=0)] = 5
    folds: Annotated[int, Field(gt=1)] = 5
    lead_in: bool = False
    resamples: Annotated[int, Field(gt=0)] = RESAMPLES


def run(config: Config, scene: StudyScene) -> Found:
    """Classify every explained feature, fold by fold, and compare with the known categories.

    Raises:
        DataError: no feature has an explanation, or too few are in a category.
    """
    seed = scene.profile.training.seed
    texts = {f: known.description for f, known in sorted(scene.features.items()) if known.description}
    if not texts:
        raise DataError(
            "no feature has an explanation",
            value=f"profile {scene.profile.name}",
            remedy="name a file of features in [features] of the profile, or leave this study out",
        )
    judge = Nearest(neighbours=config.neighbours, folds=config.folds, seed=seed)
    rows, positives = [], {}
    for category in CATEGORIES:
        truth = {feature: category in scene.features[feature].categories for feature in texts}
        for name in (WHOLE, WITHOUT) if config.lead_in else (WHOLE,):
            found = judge.classify({f: TEXTS[name](text) for f, text in texts.items()}, truth)
            positives[category] = sum(found.values())
            rows.append(
                validated(
                    category, judge.title, truth, found, seed=seed, text=name, resamples=config.resamples
                )
            )
    result = ClassificationResult(
        rows=tuple(rows),
        explained=len(texts),
        unexplained=len(scene.features) - len(texts),
        repeated=0,
        positives=positives,
        unanswered={},
        labels="the profile's file of features",
        resamples=config.resamples,
        seed=seed,
    )
    return Found(result)
