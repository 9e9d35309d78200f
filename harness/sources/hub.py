"""Model, SAE and pairs from the Hugging Face hub: revisions pinned to a commit, access checked first."""

from __future__ import annotations

import json
import os
import re
from importlib import util
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.artefact import digest_json, write_json, write_text
from harness.errors import DataError, ProfileError, UnavailableError
from harness.profile import DataSection, ModelSection, Profile, SaeSection
from harness.sources.cache import Cached, cache_home, made_once

TOKEN = "HF_TOKEN"
SITE = "https://huggingface.co"
MODEL_FILES = ["*.json", "*.safetensors", "*.model", "*.jinja"]
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


def repositories(profile: Profile) -> list[Repository]:
    """The repositories that a profile names; torch-free."""
    found = []
    if profile.model.source == "hub":
        found.append(Repository(profile.model.id, profile.model.revision, "model", "model.id"))
    if profile.sae.source == "release":
        found.append(Repository(release_repository(profile.sae), "", "model", "sae.release"))
    if profile.data.source == "hub":
        found.append(Repository(profile.data.id, profile.data.revision, "dataset", "data.id"))
    return found


def release_repository(sae: SaeSection) -> str:
    """The repository behind a release of sae-lens' directory, read without loading sae-lens.

    Raises:
        ProfileError: the directory has no such release.
    """
    spec = util.find_spec("sae_lens")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "sae-lens is not installed", value="sae_lens", remedy="use the environment that Nox builds"
        )
    directory = (Path(spec.origin).parent / "pretrained_saes.yaml").read_text(encoding="utf-8")
    entry = re.search(
        rf"^{re.escape(sae.release)}:\n(?:[ -].*\n)*?  repo_id: *(\S+)", directory, re.MULTILINE
    )
    if entry is None:
        raise ProfileError(
            "sae-lens knows no such release",
            value=sae.release,
            remedy="set sae.release to one of its directory",
        )
    return entry[1]


def pin(repository: Repository) -> str:
    """The commit that the revision stands for, once this machine may read the repository's files.

    Raises:
        UnavailableError: no connection, no such repository, or terms that nobody accepted; the message names
            the page and the variable that holds the token, never the token.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = HfApi(token=token())
    revision = repository.revision or None
    try:
        info = api.repo_info(repository.id, revision=revision, repo_type=repository.kind, timeout=ANSWER_S)
        api.auth_check(repository.id, repo_type=repository.kind)
    except OfflineModeIsEnabled:
        return _kept(repository) or _refuse(
            repository, "HF_HUB_OFFLINE is set and no earlier download is here", None
        )
    except Exception as error:  # the hub's client lets several kinds through: its own, httpx', OSError
        return _refuse(repository, _reason(error), error)
    return str(info.sha)


def token() -> str | None:
    """The access token from the environment; None lets the hub's client use a stored log-in."""
    return os.environ.get(TOKEN) or None


def fetch_model(section: ModelSection, commit: str) -> Path:
    """The folder of a model's snapshot at a commit."""
    from huggingface_hub import snapshot_download

    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    folder = snapshot_download(
        section.id, revision=commit, allow_patterns=MODEL_FILES, token=token(), local_files_only=offline
    )
    return Path(folder)


def fetch_sae(section: SaeSection, commit: str) -> Cached:
    """A published SAE in sae-lens' own format, cached by release, id and commit."""

    def make(out: Path) -> dict[str, Any]:
        from sae_lens import SAE

        sae = SAE.from_pretrained(section.release, section.sae_id, device="cpu")
        sae.save_model(out)
        return {
            "release": section.release,
            "sae_id": section.sae_id,
            "commit": commit,
            "d_sae": int(sae.cfg.d_sae),
        }

    key = digest_json([section.release, section.sae_id, commit])[:16]
    return made_once(cache_home() / "saes" / key, make)


def fetch_pairs(section: DataSection, commit: str) -> Cached:
    """The preference pairs of two splits as a data root: one file of rows for each split, named after it."""

    def make(out: Path) -> dict[str, Any]:
        from datasets import load_dataset

        rows = {}
        for split in sorted({section.train, section.test}):
            dataset = load_dataset(section.id, revision=commit, split=split, token=token())
            write_text(
                out / split, "".join(json.dumps(pair_of(row), ensure_ascii=False) + "\n" for row in dataset)
            )
            rows[split] = len(dataset)
        write_json(out / "SOURCE.json", {"id": section.id, "commit": commit, "rows": rows})
        return {"id": section.id, "commit": commit, "rows": rows}

    key = digest_json([section.id, commit, section.train, section.test])[:16]
    return made_once(cache_home() / "data" / key, make)


def pair_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a preference set with whole conversations as prompt, chosen and rejected messages.

    Raises:
        DataError: the row is not one prompt with two conversations that end in an answer.
    """
    try:
        prompt, answers = row["prompt"], {side: row[side][-1] for side in ("chosen", "rejected")}
        roles = {answer["role"] for answer in answers.values()}
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"a row is not a preference pair ({type(error).__name__}: {error})",
            value=list(row),
            remedy="set data.id to a preference set",
        ) from error
    if roles != {"assistant"}:
        raise DataError(
            "a conversation does not end with the assistant",
            value=sorted(roles),
            remedy="set data.id to a preference set",
        )
    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    return {"prompt": messages, **{side: [dict(answer)] for side, answer in answers.items()}}


def _kept(repository: Repository) -> str | None:
    """The commit of an earlier download in the hub client's own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repository.id,
            revision=repository.revision or None,
            repo_type=repository.kind,
            local_files_only=True,
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None
    return Path(folder).name


def _reason(error: Exception) -> str:
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
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    secret = token()
    return f"the hub does not answer ({first.replace(secret, '***') if secret else first})"


def _refuse(repository: Repository, reason: str, error: Exception | None) -> str:
    raise UnavailableError(
        f"cannot read {repository.id} ({repository.used_as}): {reason}",
        value=repository.page,
        remedy=f"connect to the hub, accept the terms on the page while logged in, and put a read token "
        f"({SITE}/settings/tokens) into the variable {TOKEN}",
    ) from None if error is None else error
