"""Feature descriptions: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.classification.answer_store import Answer, Answers
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.findings.features import Feature, read_features
from harness.profiles.profile import Profile, parse_profile
from harness.sources.named_files import features_digest, features_file


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "features.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_one_label_or_several(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"feature": 3, "description": "tables", "label": "style"},
        {"feature": 1, "labels": ["style", "alignment"]},
        {"feature": 2, "description": "towns", "label": "other"},
    )
    assert read_features(path) == {
        3: Feature("tables", ("style",)),
        1: Feature("", ("alignment", "style")),
        2: Feature("towns", ()),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"feature": 1, "label": "stile"}, "stile"),
        ({"feature": 0, "label": "other"}, "twice"),
        ({"feature": -1, "label": "other"}, "negative"),
        ({"label": "other"}, "KeyError"),
        ([1], "TypeError"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: Any, message: str) -> None:
    path = written(tmp_path, {"feature": 0, "label": "other"}, row)
    with pytest.raises(DamagedFileError, match=f"(?s)line 2.*{message}"):
        read_features(path)


def test_the_miniatures_features(profile: Profile, tmp_path: Path) -> None:
    path = features_file(profile, RunPaths(root=tmp_path))
    assert path is not None
    found = read_features(path)
    assert sorted(found) == list(range(1024))
    assert {name for feature in found.values() for name in feature.categories} == {"alignment", "style"}


def test_without_features_there_is_no_digest(profile: Profile, tmp_path: Path) -> None:
    none = {**profile.model_dump(mode="json"), "features": {"source": "none"}}
    assert features_digest(parse_profile(none, where="test"), RunPaths(root=tmp_path)) == ""


def test_a_file_of_the_data_root_must_be_there(profile: Profile, tmp_path: Path) -> None:
    section = {"source": "data_root", "file": "features.jsonl"}
    other = parse_profile({**profile.model_dump(mode="json"), "features": section}, where="test")
    with pytest.raises(MissingInputError, match="--data-root"):
        features_file(other, RunPaths(root=tmp_path))
    path = written(tmp_path, {"feature": 0, "label": "other"})
    assert features_file(other, RunPaths(root=tmp_path, data_root=tmp_path)) == path


def test_a_file_goes_with_the_data_root_only(profile: Profile) -> None:
    section = {"source": "bundle", "file": "features.jsonl"}
    with pytest.raises(ProfileError, match="data_root"):
        parse_profile({**profile.model_dump(mode="json"), "features": section}, where="test")


def test_studies_do_not_change_what_a_run_is_compared_by(profile: Profile) -> None:
    without = {**profile.model_dump(mode="json"), "studies": {}, "features": {"source": "none"}}
    assert parse_profile(without, where="test").digest() == profile.digest()


def test_a_line_separator_in_a_description_is_no_end_of_line(tmp_path: Path) -> None:
    """U+2028, which JSON leaves as it is inside of a string."""
    path = tmp_path / "features.jsonl"
    row = {"feature": 3, "description": "a\u2028b\x85c", "label": "style"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_features(path) == {3: Feature("a\u2028b\x85c", ("style",))}
    path.write_text("", encoding="utf-8")
    assert read_features(path) == {}


def test_a_line_separator_in_a_kept_answer_is_no_end_of_line(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.jsonl")
    answer = Answer(key="k", label="a\u2028b\x85c", model="m", input_tokens=1, output_tokens=1)
    answers.add(answer)
    answers.close()
    assert Answers(tmp_path / "answers.jsonl").get("k") == answer
