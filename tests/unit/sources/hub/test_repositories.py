"""The hub: what is missing is said with its page and its variable; a token is never said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

from harness.core.errors import ProfileError, UnavailableError
from harness.profiles.profile import load_profile
from harness.profiles.sections import SaeSection
from harness.sources.hub.repositories import Repository, pin, release_folder, release_repository, repositories

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


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, OfflineModeIsEnabled("offline"))
    assert "HF_HUB_OFFLINE" in refused(GEMMA._replace(id="google/gemma-2-2b-it"))


def test_the_repositories_of_the_papers_profile() -> None:
    found = repositories(load_profile("gemma-2-2b"))
    assert [(repository.id, repository.kind) for repository in found] == [
        ("google/gemma-2-2b-it", "model"),
        ("google/gemma-scope-2b-pt-res", "model"),
        ("princeton-nlp/llama3-ultrafeedback-armorm", "dataset"),
        ("cais/mmlu", "dataset"),
        ("openai/gsm8k", "dataset"),
        ("truthfulqa/truthful_qa", "dataset"),
    ]
    assert {repository.revision for repository in found} == {"main"}
    assert found[2].page == "https://huggingface.co/datasets/princeton-nlp/llama3-ultrafeedback-armorm"


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(ProfileError, match="no such release"):
        release_repository(SaeSection(source="release", layer=1, release="gemma-scope-2b-pt-rez", sae_id="x"))


@pytest.mark.parametrize("name", ["gemma-2-2b", "gemma-2-9b"])
def test_the_folder_of_an_sae_is_that_of_sae_lens_directory(name: str) -> None:
    sae = load_profile(name).sae
    assert release_folder(sae) == sae.sae_id
    with pytest.raises(ProfileError, match="no such SAE"):
        release_folder(sae.model_copy(update={"sae_id": "layer_12/width_65k/average_l0_2"}))
