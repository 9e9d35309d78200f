"""The study of classification: planted categories are found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsrl.analysis import classification
from harness.core.errors import DataError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.findings.classification import ClassificationResult
from harness.findings.features import CATEGORIES, Feature, read_features
from harness.profiles.profile import Profile
from harness.sources.named_files import features_file
from harness.study import StudyScene


def miniature_scene(profile: Profile, tmp_path: Path, features: dict[int, Feature]) -> StudyScene:
    prepared = PrepareResult.model_construct()
    return StudyScene(profile, RunPaths(root=tmp_path), "fsrl", prepared, features, {}, tmp_path)


def test_the_planted_categories_are_found_again(profile: Profile, tmp_path: Path) -> None:
    path = features_file(profile, RunPaths(root=tmp_path))
    assert path is not None
    features = read_features(path)
    config = classification.Config(lead_in=True, resamples=500)
    result = classification.run(config, miniature_scene(profile, tmp_path, features)).result
    assert isinstance(result, ClassificationResult)
    rows = {(row.category, row.text): row for row in result.rows}
    assert len(rows) == 4
    for category in CATEGORIES:
        whole, without = (rows[category, text] for text in classification.TEXTS)
        assert whole.mcc.value > 0.95
        assert without.mcc.value < 0.5  # the lead-in says it, the tokens alone do not
        counts = whole.confusion
        assert sum(counts.model_dump().values()) == 1024
        assert counts.tp + counts.fn == sum(category in f.categories for f in features.values())


def test_a_study_without_explanations_is_refused(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no feature has an explanation"):
        classification.run(classification.Config(), miniature_scene(profile, tmp_path, {}))
