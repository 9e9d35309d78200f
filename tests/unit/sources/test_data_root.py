"""A data root is held against its manifest; nothing outside it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sources_toys import list_file

from harness.core.errors import DamagedFileError, DataError, MissingInputError
from harness.profiles.profile import Profile
from harness.sources.data_root import open_data_root, read_files, read_manifest
from harness.sources.layout import row_files

ROWS = '{"a": 1}\n{"a": 2}\n'
NAME = "org/name/config/test.jsonl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / NAME).parent.mkdir(parents=True)
    (folder / NAME).write_text(ROWS)
    list_file(folder, NAME, ROWS, rows=2)
    return folder


def test_files_are_checked_and_described(root: Path) -> None:
    found = read_files(root, [NAME])[NAME]
    assert (found.rows, found.listed, found.source, found.licence) == (2, True, "made here", "CC0-1.0")
    assert found.sha256 == hashlib.sha256(ROWS.encode()).hexdigest()


def test_no_data_root_says_how_to_give_one(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(MissingInputError) as caught:
            open_data_root(folder)
        assert "--data-root" in caught.value.remedy
        assert "HARNESS_DATA_ROOT" in caught.value.remedy


def test_a_changed_file_is_named(root: Path) -> None:
    (root / NAME).write_text(ROWS.replace("2", "3"))
    with pytest.raises(DamagedFileError) as caught:
        read_files(root, [NAME])
    assert caught.value.value == root / NAME
    assert "MANIFEST.json" in caught.value.remedy


def test_a_wrong_number_of_rows_is_refused(root: Path) -> None:
    list_file(root, NAME, ROWS, rows=3)
    with pytest.raises(DamagedFileError, match="2 rows, 3 listed"):
        read_files(root, [NAME])


def test_a_missing_file_is_named(root: Path) -> None:
    with pytest.raises(MissingInputError, match=r"other\.jsonl"):
        read_files(root, ["org/name/config/other.jsonl"])


def test_unlisted_rows_are_refused_and_unlisted_text_is_recorded(root: Path) -> None:
    (root / "text.txt").write_text("words")
    assert not read_files(root, [], texts=["text.txt"])["text.txt"].listed
    with pytest.raises(MissingInputError, match="cannot be traced"):
        read_files(root, ["text.txt"])


@pytest.mark.parametrize("name", ["../secret.jsonl", "org/../../secret.jsonl", "link/secret.jsonl"])
def test_a_path_out_of_the_root_is_refused(root: Path, name: str) -> None:
    (root.parent / "secret.jsonl").write_text(ROWS)
    (root / "link").symlink_to(root.parent)
    with pytest.raises(DataError, match="leads out"):
        read_files(root, [name])


def test_an_absolute_path_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="leads out"):
        read_files(root, [str(root / NAME)])


def test_a_manifest_that_names_a_path_outside_is_refused(root: Path) -> None:
    list_file(root, "../secret.jsonl", ROWS, rows=2)
    with pytest.raises(DataError, match="leads out"):
        read_manifest(root)


@pytest.mark.parametrize(
    "body",
    ["{", "[]", '{"a": {"rows": 1}}', '{"a": {"rows": 1, "sha256": "x", "source": "", "licence": ""}}'],
)
def test_a_manifest_that_is_none_is_refused(root: Path, body: str) -> None:
    (root / "MANIFEST.json").write_text(body)
    with pytest.raises(DamagedFileError) as caught:
        read_manifest(root)
    assert caught.value.value == root / "MANIFEST.json"


def test_the_rows_of_a_profile(profile: Profile, tmp_path: Path) -> None:
    for subject in ("virology", "astronomy"):
        (tmp_path / "cais/mmlu" / subject).mkdir(parents=True)
    names = row_files(profile, tmp_path)
    assert names == sorted(
        [
            "cais/mmlu/astronomy/dev.jsonl",
            "cais/mmlu/astronomy/test.jsonl",
            "cais/mmlu/virology/dev.jsonl",
            "cais/mmlu/virology/test.jsonl",
            "openai/gsm8k/main/test.jsonl",
            "openai/gsm8k/main/train.jsonl",
            "preferences/miniature/test.jsonl",
            "preferences/miniature/train.jsonl",
            "truthfulqa/truthful_qa/multiple_choice/validation.jsonl",
        ]
    )


def test_a_subject_that_is_a_path_is_refused(profile: Profile, tmp_path: Path) -> None:
    tasks = dict(profile.evaluation.tasks)
    tasks["mmlu"] = tasks["mmlu"].model_copy(update={"subjects": ("../../secret",)})
    changed = profile.model_copy(
        update={"evaluation": profile.evaluation.model_copy(update={"tasks": tasks})}
    )
    with pytest.raises(DataError, match="subject"):
        row_files(changed, tmp_path)


def test_the_real_rows_are_what_their_manifest_says(real_data_root: Path) -> None:
    names = list(read_manifest(open_data_root(real_data_root)))
    found = read_files(real_data_root, names)
    assert len(found) == len(names) > 0
    assert all(file.rows > 0 and file.source and file.licence for file in found.values())
