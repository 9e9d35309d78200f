"""A data root made by `prepare --export` from the miniature serves a run in the miniature's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.core.errors import DamagedFileError, MissingInputError, RunFolderError
from harness.sources.bundle.rows import data_root
from harness.sources.data_root import read_files, read_manifest

PROFILE = """
extends = "miniature"
name = "from-a-root"
title = "The miniature's rows from a folder"
note = "The same rows, from another place."
[data]
source = "data_root"
[evaluation]
source = "data_root"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "root"
    run = folder.parent / "run"
    arguments = ["prepare", "--profile", "miniature", "--run-dir", str(run), "--export", str(folder)]
    assert main(arguments) == 0
    assert not run.exists()
    return folder


def test_the_export_is_the_bundles_rows_with_their_manifest(root: Path) -> None:
    bundled = json.loads((data_root() / "MANIFEST.json").read_text())
    assert json.loads((root / "MANIFEST.json").read_text()) == bundled
    assert all(found.listed for found in read_files(root, read_manifest(root)).values())
    for name in bundled:
        assert (root / name).read_bytes() == (data_root() / name).read_bytes()


def test_a_run_prepares_from_it(root: Path, tmp_path: Path) -> None:
    profile = tmp_path / "from-a-root.toml"
    profile.write_text(PROFILE)
    prepare = ["prepare", "--profile", str(profile), "--run-dir", str(tmp_path / "run")]
    assert main(prepare) == MissingInputError.exit_code
    assert main([*prepare, "--data-root", str(root)]) == 0
    assert main(["prepare", "--profile", "miniature", "--run-dir", str(tmp_path / "bundled")]) == 0
    found, bundled = (
        json.loads((tmp_path / run / "prepare.json").read_text())["result"]["files"]
        for run in ("run", "bundled")
    )
    assert found == bundled


def test_rows_that_cannot_be_traced_are_refused(root: Path, tmp_path: Path) -> None:
    manifest = json.loads((root / "MANIFEST.json").read_text())
    name = next(iter(manifest))
    for key in ("source", "licence"):
        changed = {**manifest, name: {**manifest[name], key: ""}}
        (tmp_path / "MANIFEST.json").write_text(json.dumps(changed))
        with pytest.raises(DamagedFileError, match=f"{key}: String should have at least 1 character"):
            read_manifest(tmp_path)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/mine.txt").write_text("keep")
    arguments = ["prepare", "--profile", "miniature", "--export", str(tmp_path / "root")]
    assert main(arguments) == RunFolderError.exit_code
    assert [path.name for path in tmp_path.rglob("*")] == ["root", "mine.txt"]


def test_export_of_a_data_root_keeps_its_sources(root: Path, tmp_path: Path) -> None:
    profile = tmp_path / "from-a-root.toml"
    profile.write_text(PROFILE)
    again = tmp_path / "again"
    arguments = ["prepare", "--profile", str(profile), "--data-root", str(root), "--export", str(again)]
    assert main(arguments) == 0
    assert (again / "MANIFEST.json").read_bytes() == (root / "MANIFEST.json").read_bytes()
