"""What a classifier found: validated, written as an artefact and as a file of features, told in lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from harness import __version__
from harness.classification.categories import read_categories
from harness.classification.explanations import Explanations, Labels
from harness.classification.judging import Judged
from harness.classification.validation import RESAMPLES, validated
from harness.core.artefact import Artefact, digest_file, digest_json, write_artefact, write_text
from harness.core.provenance import provenance
from harness.findings.classification import ClassificationResult
from harness.profiles.profile import Profile

By = Literal["endpoint", "local", "nearest"]
"""The kinds of classifiers."""


def result_of(
    judged: Judged, explanations: Explanations, labels: Labels, labels_from: str, *, seed: int
) -> ClassificationResult:
    """The result, validated where there are labels; `labels_from` names their file.

    Raises:
        DataError: there are labels of a category, and no feature that has one was classified.
    """
    rows = tuple(
        validated(category, judged.name, labels[category], found, seed=seed)
        for category, found in judged.predicted.items()
        if labels.get(category)
    )
    return ClassificationResult(
        rows=rows,
        explained=len(explanations.texts),
        unexplained=explanations.empty,
        repeated=explanations.repeated,
        positives={category: sum(found.values()) for category, found in judged.predicted.items()},
        unanswered=judged.missed,
        labels=labels_from,
        resamples=RESAMPLES,
        seed=seed,
        classifier=judged.name,
    )


def write_result(
    folder: Path,
    by: By,
    profile: Profile,
    explanations: Explanations,
    judged: Judged,
    inputs: dict[str, str],
    result: ClassificationResult,
    started: float,
) -> Artefact:
    """Write `<by>.features.jsonl` and `<by>.json`.

    Args:
        inputs: digests of explanations, labels and classifier.
        started: on the monotonic clock.
    """
    path = folder / f"{by}.features.jsonl"
    write_text(path, "".join(json.dumps(row) + "\n" for row in _feature_rows(explanations, judged)))
    inputs = inputs | {"prompts": digest_json([one.model_dump() for one in read_categories()])}
    artefact = Artefact(
        stage=f"classification/{by}",
        key=digest_json({"stage": "classification", "inputs": inputs, "harness": __version__}),
        profile=profile.resolved(),
        inputs=inputs,
        outputs={path.name: digest_file(path)},
        provenance=provenance(profile.training.seed),
        wall_s=round(time.monotonic() - started, 3),
        result=result.model_dump(mode="json"),
    )
    write_artefact(folder / f"{by}.json", artefact)
    return artefact


def _feature_rows(explanations: Explanations, judged: Judged) -> Iterator[dict[str, Any]]:
    """Features that were classified for every category."""
    for feature, text in explanations.texts.items():
        if all(feature in found for found in judged.predicted.values()):
            labels = [name for name, found in judged.predicted.items() if found[feature]]
            yield {"feature": feature, "description": text, "labels": labels}


def shown(result: ClassificationResult, folder: Path, by: str) -> Iterator[str]:
    """The result as text."""
    counts = ", ".join(f"{count} {name}" for name, count in result.positives.items())
    yield f"{result.explained} features with an explanation: {counts}"
    for row in result.rows:
        cells, one = row.confusion, row.mcc
        yield (
            f"{row.category}: MCC {one.value:.3f} [{one.low:.3f}, {one.high:.3f}], accuracy "
            f"{row.accuracy:.3f}, TP {cells.tp} TN {cells.tn} FP {cells.fp} FN {cells.fn} ({row.classifier})"
        )
    if not result.rows:
        yield "not validated: give labels by hand with --labels FILE"
    yield f"written: {folder / by}.features.jsonl, {by}.json"
