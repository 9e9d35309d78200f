"""What is made once appears whole or not at all, is not made twice, and is checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DamagedFileError, RunFolderError
from harness.sources.cache import cache_home, made_once


def write_one(out: Path) -> dict[str, Any]:
    (out / "weights").write_text("one")
    return {"entries": 1}


def test_made_once_makes_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def make(out: Path) -> dict[str, Any]:
        calls.append(out)
        return write_one(out)

    first, second = made_once(tmp_path / "a", make), made_once(tmp_path / "a", make)
    assert len(calls) == 1
    assert first == second
    assert first.facts == {"entries": 1}
    # sha256 of the three bytes "one"
    assert first.files == {"weights": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"}


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path) -> dict[str, Any]:
        (out / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "a", fail)
    assert not (tmp_path / "a").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert made_once(tmp_path / "a", write_one).facts == {"entries": 1}


def test_what_a_killed_maker_left_goes_away(tmp_path: Path) -> None:
    (tmp_path / ".a.left").mkdir()
    (tmp_path / ".a.left" / "half").write_text("half")
    (tmp_path / ".b.left").mkdir()
    made_once(tmp_path / "a", write_one)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [".b.left", "a"]


@pytest.mark.parametrize("lost", [True, False])
def test_a_changed_file_is_named(tmp_path: Path, lost: bool) -> None:
    made_once(tmp_path / "a", write_one)
    weights = tmp_path / "a" / "weights"
    if lost:
        weights.unlink()
    else:
        weights.write_text("on")
    with pytest.raises(DamagedFileError) as caught:
        made_once(tmp_path / "a", write_one)
    assert caught.value.value == weights
    assert str(tmp_path / "a") in caught.value.remedy


def test_a_folder_without_its_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DamagedFileError, match="list of files"):
        made_once(tmp_path / "a", write_one)


def test_a_full_disk_names_the_variable(tmp_path: Path) -> None:
    def full(out: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(RunFolderError, match="No space left") as caught:
        made_once(tmp_path / "a", full)
    assert "XDG_CACHE_HOME" in caught.value.remedy
    assert not (tmp_path / "a").exists()


def test_cache_home_follows_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_home() == tmp_path / "fsrl-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "fsrl-bench"
