"""`prepare` against a hub on the loopback interface: pinned once, checked, then without a connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_server import SECRET, Hub, Repo

from harness.core.errors import DamagedFileError, ProfileError, UnavailableError
from harness.sources.hub.download import commit_of, fetch
from harness.sources.hub.pins import read_lock
from harness.sources.hub.repositories import Repository

MODEL = Repository("org/model", "main", "model", "model.revision")
FILES = {"config.json": b'{"a": 1}', "model.safetensors": b"weights" * 5000, "big.bin": b"not asked for"}
PATTERNS = ["*.json", "*.safetensors"]


@pytest.fixture(autouse=True)
def _one_model(hub: Hub) -> None:
    hub.repos["org/model"] = Repo("model")
    hub.repos["org/model"].push(dict(FILES))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "profile.lock.json"


def test_a_revision_is_pinned_and_its_files_arrive_once(hub: Hub, lock: Path) -> None:
    commit = hub.repos["org/model"].branches["main"]
    assert commit_of(MODEL, lock) == commit
    got = fetch(MODEL, commit, PATTERNS, lock)
    assert sorted(got.files) == ["config.json", "model.safetensors"]
    assert (got.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    entry = read_lock(lock)["org/model"]
    assert (entry.revision, entry.commit, entry.files) == ("main", commit, got.files)
    assert not any("big.bin" in path for path in hub.requests)
    hub.requests.clear()
    assert commit_of(MODEL, lock) == commit
    assert fetch(MODEL, commit, PATTERNS, lock) == got
    assert hub.requests == []


def test_a_moved_revision_is_an_error_where_something_must_be_fetched(
    hub: Hub, lock: Path, tmp_path: Path
) -> None:
    old = commit_of(MODEL, lock)
    got = fetch(MODEL, old, PATTERNS, lock)
    new = hub.repos["org/model"].push({**FILES, "config.json": b'{"a": 2}'})
    assert commit_of(MODEL, lock) == old  # all is here: nobody is asked
    (got.folder / "config.json").unlink()
    with pytest.raises(ProfileError, match="has moved") as caught:
        commit_of(MODEL, lock)
    assert new in str(caught.value)
    assert f'model.revision = "{old}"' in caught.value.remedy
    kept = MODEL._replace(revision=old)
    assert commit_of(kept, lock) == old
    assert fetch(kept, old, PATTERNS, lock) == got
    assert read_lock(lock)["org/model"].revision == "main"


def test_a_changed_file_is_an_error(hub: Hub, lock: Path) -> None:
    commit = commit_of(MODEL, lock)
    got = fetch(MODEL, commit, PATTERNS, lock)
    blob = (got.folder / "config.json").resolve()
    blob.write_bytes(b'{"a": 9}')
    with pytest.raises(DamagedFileError, match="does not match its digest") as caught:
        fetch(MODEL, commit, PATTERNS, lock)
    assert str(blob) in caught.value.remedy
    (got.folder / "config.json").unlink()
    blob.unlink()
    assert fetch(MODEL, commit, PATTERNS, lock) == got


def test_a_hub_that_gives_other_bytes_for_a_locked_commit_is_an_error(hub: Hub, lock: Path) -> None:
    commit = commit_of(MODEL, lock)
    got = fetch(MODEL, commit, PATTERNS, lock)
    hub.repos["org/model"].commits[commit]["config.json"] = b'{"a": 3}'
    blob = (got.folder / "config.json").resolve()
    (got.folder / "config.json").unlink()
    blob.unlink()
    with pytest.raises(DamagedFileError):
        fetch(MODEL, commit, PATTERNS, lock)


def test_a_gated_repository_says_page_and_variable_and_never_the_token(
    hub: Hub, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["org/model"].gated = True
    with pytest.raises(UnavailableError, match="it is gated and HF_TOKEN is not set") as caught:
        commit_of(MODEL, lock)
    assert caught.value.value == "https://huggingface.co/org/model"
    monkeypatch.setenv("HF_TOKEN", f"{SECRET}x")
    with pytest.raises(UnavailableError, match="terms are not accepted") as caught:
        commit_of(MODEL, lock)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    monkeypatch.setenv("HF_TOKEN", SECRET)
    commit = commit_of(MODEL, lock)
    fetch(MODEL, commit, PATTERNS, lock)
    assert SECRET not in lock.read_text()


def test_a_dropped_connection_goes_on_where_it_stopped(hub: Hub, lock: Path) -> None:
    hub.repos["org/model"].drops = 1
    commit = commit_of(MODEL, lock)
    got = fetch(MODEL, commit, PATTERNS, lock)
    assert hub.repos["org/model"].drops == 0
    assert (got.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_connection_that_drops_for_good_leaves_nothing_that_is_believed(
    hub: Hub, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.repos["org/model"].drops = 1000
    commit = commit_of(MODEL, lock)
    with pytest.raises(UnavailableError, match="broke off") as caught:
        fetch(MODEL, commit, PATTERNS, lock)
    assert "same command again" in caught.value.remedy
    assert read_lock(lock) == {}
    hub.repos["org/model"].drops = 0
    assert sorted(fetch(MODEL, commit, PATTERNS, lock).files) == ["config.json", "model.safetensors"]


def test_no_such_file_and_no_such_revision(hub: Hub, lock: Path) -> None:
    commit = commit_of(MODEL, lock)
    with pytest.raises(UnavailableError, match=r"no file that matches \*\.npz"):
        fetch(MODEL, commit, ["*.npz"], lock)
    with pytest.raises(UnavailableError, match="no such revision"):
        commit_of(MODEL._replace(revision="v9"), lock)
    with pytest.raises(UnavailableError, match="no such repository"):
        commit_of(MODEL._replace(id="org/none"), lock)


@pytest.mark.parametrize(
    "body", ["{", '{"version": 2}', '{"version": 1, "repositories": {"a": {"commit": "x"}}}']
)
def test_a_lock_file_that_is_none_is_refused(body: str, lock: Path) -> None:
    lock.write_text(body)
    with pytest.raises(DamagedFileError, match="lock file"):
        read_lock(lock)
