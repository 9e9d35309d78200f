"""The hub: what is missing is said with its page and its variable; a token is never said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

from harness.errors import DataError, ProfileError, UnavailableError
from harness.profile import DataSection, SaeSection, load_profile
from harness.sources.hub import Repository, fetch_pairs, pair_of, pin, release_repository, repositories

SECRET = "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"
GEMMA = Repository("google/gemma-2-2b-it", "main", "model", "model.id")
PAGE = "https://huggingface.co/google/gemma-2-2b-it"


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)


def answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, checked: Exception | None = None
) -> None:
    """Let the hub's client answer a look-up and an access check with an error or with a commit."""

    def give(wrong: Exception | None) -> Any:
        def method(self: HfApi, *args: Any, **kwargs: Any) -> Any:
            if wrong is not None:
                raise wrong
            return SimpleNamespace(sha="0123abcd")

        return method

    monkeypatch.setattr(HfApi, "repo_info", give(error))
    monkeypatch.setattr(HfApi, "auth_check", give(checked))


def refused(repository: Repository = GEMMA) -> str:
    with pytest.raises(UnavailableError) as caught:
        pin(repository)
    said = str(caught.value)
    assert PAGE in said
    assert "HF_TOKEN" in said
    assert SECRET not in said
    return said


def response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://example.invalid"))


def test_a_revision_becomes_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, None)
    assert pin(GEMMA) == "0123abcd"


def test_gated_without_and_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, None, GatedRepoError(f"no access for {SECRET}", response=response(403)))
    assert "terms are not accepted" in refused()
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN is not set" in refused()


def test_no_such_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, RepositoryNotFoundError("404", response=response(404)))
    assert "no such repository" in refused()


def test_an_error_that_quotes_the_token_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, httpx.ConnectError(f"refused: Authorization: Bearer {SECRET}"))
    assert "Bearer ***" in refused()


def test_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    answer(monkeypatch, OfflineModeIsEnabled("offline"))
    assert "HF_HUB_OFFLINE" in refused(GEMMA._replace(id="google/gemma-2-2b-it"))


def test_the_repositories_of_the_papers_profile() -> None:
    found = repositories(load_profile("gemma-2-2b"))
    assert [(repository.id, repository.kind) for repository in found] == [
        ("google/gemma-2-2b-it", "model"),
        ("google/gemma-scope-2b-pt-res", "model"),
        ("princeton-nlp/llama3-ultrafeedback-armorm", "dataset"),
    ]
    assert found[2].page == "https://huggingface.co/datasets/princeton-nlp/llama3-ultrafeedback-armorm"


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(ProfileError, match="no such release"):
        release_repository(SaeSection(source="release", layer=1, release="gemma-scope-2b-pt-rez", sae_id="x"))


def test_a_row_with_whole_conversations_becomes_a_pair() -> None:
    question, good, bad = (
        {"role": r, "content": c} for r, c in (("user", "Q"), ("assistant", "G"), ("assistant", "B"))
    )
    row = {"prompt": "Q", "chosen": [question, good], "rejected": [question, bad], "all_rm_scores": [1.0]}
    assert pair_of(row) == {"prompt": [question], "chosen": [good], "rejected": [bad]}
    with pytest.raises(DataError, match="does not end with the assistant"):
        pair_of({**row, "rejected": [question]})
    with pytest.raises(DataError, match="not a preference pair"):
        pair_of({"prompt": "Q", "chosen": []})


def test_pairs_are_written_once_with_their_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def load_dataset(name: str, *, revision: str, split: str, token: str | None) -> list[dict[str, Any]]:
        asked.append((revision, split))
        turn = {"role": "assistant", "content": split}
        return [{"prompt": "Q", "chosen": [turn], "rejected": [turn]}]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    section = DataSection(
        source="hub", id="org/set", train="train", test="test", max_length=8, max_prompt_length=4
    )
    made = fetch_pairs(section, "c0ffee")
    assert fetch_pairs(section, "c0ffee") == made
    assert asked == [("c0ffee", "test"), ("c0ffee", "train")]
    assert json.loads((made.folder / "train").read_text())["chosen"][0]["content"] == "train"
    assert made.facts == {"id": "org/set", "commit": "c0ffee", "rows": {"test": 1, "train": 1}}
