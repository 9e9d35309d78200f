"""A published SAE, by release and id of sae-lens' directory, loaded by sae-lens from pinned files."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.profiles.sections import SaeSection
from harness.sources.cache import Part, made_once, place
from harness.sources.hub.download import Snapshot, fetch
from harness.sources.hub.repositories import Repository, release_folder


def fetch_sae(section: SaeSection, repository: Repository, commit: str, lock: Path) -> Part:
    """The SAE in sae-lens' own format, cached by release, id and the digests of its files.

    Raises:
        ProfileError: the release has no such SAE.
        HarnessError: what the hub or its files refuse.
    """
    snapshot = fetch(repository, commit, [f"{release_folder(section)}/*"], lock)

    def make(out: Path) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what sae-lens imports
            from sae_lens import SAE

        with pinned(repository.id, snapshot):
            sae = SAE.from_pretrained(section.release, section.sae_id, device="cpu")
        sae.save_model(out)
        found = {"commit": commit, "d_sae": int(sae.cfg.d_sae)}
        return section.model_dump(include={"release", "sae_id"}) | found

    return made_once(place("saes", [section.release, section.sae_id, commit, snapshot.files]), make)


@contextlib.contextmanager
def pinned(repository: str, snapshot: Snapshot) -> Iterator[None]:
    """Give sae-lens' loaders the snapshot's files: they ask for a branch's and cannot be told a commit."""
    from sae_lens.loading import pretrained_sae_loaders as loaders

    def local(repo_id: str, filename: str, subfolder: str | None = None, **_: Any) -> str:
        name = f"{subfolder}/{filename}" if subfolder else filename
        if repo_id != repository or name not in snapshot.files:
            raise FileNotFoundError(f"{repo_id}/{name} is not among the pinned files")
        return str(snapshot.folder / name)

    own = loaders.hf_hub_download
    loaders.hf_hub_download = local
    try:
        yield
    finally:
        loaders.hf_hub_download = own
