"""A folder appears whole or not at all, and what lay in its place stays until then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import RunFolderError
from harness.core.folders import put_in_place, whole_folder, writing


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("there", [True, False])
def test_the_new_folder_is_there_when_it_is_whole(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "deep" / "a"
    if there:
        target.mkdir(parents=True)
        (target / "old").write_text("old")
    with whole_folder(target) as new:
        (new / "inner").mkdir(mode=0o700)
        (new / "inner" / "file").write_text("new")
        (new / "inner" / "file").chmod(0o600)
        assert target.exists() == there
        assert not there or files(target) == {"old": "old"}
    assert files(target) == {"inner/file": "new"}
    assert list(target.parent.iterdir()) == [target]
    modes = [path.stat().st_mode & 0o777 for path in (target, target / "inner", target / "inner" / "file")]
    assert modes == [0o755, 0o755, 0o644]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_block_that_raises_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a"
    target.mkdir()
    (target / "old").write_text("old")

    def work() -> None:
        with whole_folder(target) as new:
            (new / "half").write_text("half")
            raise error

    with pytest.raises(error):
        work()
    assert files(tmp_path) == {"a/old": "old"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_put_in_place_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, target = tmp_path / "made", tmp_path / "target"
    for folder in (made, target):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    move = os.replace

    def busy(source: Path, place: Path) -> None:
        if source == made:
            raise OSError(16, "Device or resource busy")
        move(source, place)

    monkeypatch.setattr("harness.core.folders.os.replace", busy)
    busy_said = r"cannot move it \(Device or resource busy\)"
    with (
        pytest.raises(RunFolderError, match=busy_said) as caught,
        writing("cannot move it", target, "close it"),
    ):
        put_in_place(made, target)
    assert (caught.value.value, caught.value.remedy) == (target, "close it")
    assert files(tmp_path) == {"made/name": "made", "target/name": "target"}


def test_other_errors_are_said_the_same_way_where_they_are_named(tmp_path: Path) -> None:
    said = pytest.raises(RunFolderError, match=r"cannot write it \(half\)")
    with said, writing("cannot write it", tmp_path, "free disk space", LookupError):
        raise LookupError("half")
    with pytest.raises(LookupError), writing("cannot write it", tmp_path):
        raise LookupError("half")
