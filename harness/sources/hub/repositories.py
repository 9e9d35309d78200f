"""The Hugging Face hub: which repositories a profile names, and the commit that each one stands at."""

from __future__ import annotations

import os
import re
from importlib import util
from pathlib import Path
from typing import Literal, NamedTuple

from harness.core.errors import ProfileError, UnavailableError, first_line
from harness.profiles.profile import Profile
from harness.profiles.sections import SaeSection
from harness.sources.layout import evaluation_repositories

TOKEN = "HF_TOKEN"
SITE = "https://huggingface.co"
ANSWER_S = 10.0


class Repository(NamedTuple):
    """A repository of the hub and what the profile calls it."""

    id: str
    revision: str
    kind: Literal["model", "dataset"]
    used_as: str

    @property
    def page(self) -> str:
        return f"{SITE}/{'datasets/' if self.kind == 'dataset' else ''}{self.id}"


class Pin(NamedTuple):
    """A repository and the commit at which it is used."""

    repository: Repository
    commit: str


def repositories(profile: Profile, *, rows_only: bool = False) -> list[Repository]:
    """The repositories that a profile names, torch-free; with `rows_only` those of its rows."""
    found = []
    if profile.model.source == "hub" and not rows_only:
        found.append(
            Repository(profile.model.id, profile.model.revision or "main", "model", "model.revision")
        )
    if profile.sae.source == "release" and not rows_only:
        found.append(_named(profile, release_repository(profile.sae), "model"))
    if profile.data.source == "hub":
        found.append(Repository(profile.data.id, profile.data.revision or "main", "dataset", "data.revision"))
    if profile.evaluation.source == "hub":
        found += [_named(profile, name, "dataset") for name in evaluation_repositories(profile)]
    return found


def _named(profile: Profile, name: str, kind: Literal["model", "dataset"]) -> Repository:
    return Repository(name, profile.revisions.get(name, "main"), kind, f'revisions."{name}"')


def release_repository(sae: SaeSection) -> str:
    """The repository behind a release of sae-lens' directory, read without loading sae-lens.

    Raises:
        ProfileError: the directory has no such release.
    """
    return _entry(sae, r"  repo_id: *(\S+)", "sae.release", sae.release)


def release_folder(sae: SaeSection) -> str:
    """The folder of an SAE in the repository of its release.

    Raises:
        ProfileError: the directory has no such release, or the release no such SAE.
    """
    found = rf"  - id: *{re.escape(sae.sae_id)}\n(?:    .*\n)*?    path: *(\S+)"
    return _entry(sae, found, "sae.sae_id", sae.sae_id)


def _entry(sae: SaeSection, pattern: str, key: str, value: str) -> str:
    spec = util.find_spec("sae_lens")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "sae-lens is not installed", value="sae_lens", remedy="use the environment that Nox builds"
        )
    directory = (Path(spec.origin).parent / "pretrained_saes.yaml").read_text(encoding="utf-8")
    entry = re.search(rf"^{re.escape(sae.release)}:\n(?:[ -].*\n)*?{pattern}", directory, re.MULTILINE)
    if entry is None:
        raise ProfileError(
            f"sae-lens knows no such {'release' if key == 'sae.release' else 'SAE'}",
            value=value,
            remedy=f"set {key} to one of its directory",
        )
    return entry[1]


def pin(repository: Repository) -> str:
    """The commit that the revision stands for, once this machine may read the repository's files.

    Raises:
        UnavailableError: no connection, no such repository, or terms not accepted; the message names
            the page and the variable that holds the token, never the token.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = HfApi(token=token())
    try:
        info = api.repo_info(
            repository.id, revision=repository.revision, repo_type=repository.kind, timeout=ANSWER_S
        )
        api.auth_check(repository.id, repo_type=repository.kind)
    except Exception as error:  # the hub's client lets several kinds through: its own, httpx', OSError
        offline = isinstance(error, OfflineModeIsEnabled)
        unheld = "HF_HUB_OFFLINE is set and its files are not here as the lock file has them"
        raise UnavailableError(
            f"cannot read {repository.id} ({repository.used_as}): {unheld if offline else reason(error)}",
            value=repository.page,
            remedy=f"connect to the hub, accept the terms on the page while logged in, and put a read token "
            f"({SITE}/settings/tokens) into the variable {TOKEN}",
        ) from (None if offline or token() else error)  # the client's own message may quote the token
    return str(info.sha)


def token() -> str | None:
    """The access token from the environment; None lets the hub's client use a stored log-in."""
    return os.environ.get(TOKEN) or None


def reason(error: Exception) -> str:
    """Why the hub did not give what was asked for, without the token."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return (
            "its terms are not accepted by the owner of the token"
            if token()
            else f"it is gated and {TOKEN} is not set"
        )
    if isinstance(error, RepositoryNotFoundError):
        return "there is no such repository, or it is private"
    if isinstance(error, RevisionNotFoundError):
        return "it has no such revision"
    first = first_line(error)
    secret = token()
    return f"the hub does not answer ({first.replace(secret, '***') if secret else first})"
