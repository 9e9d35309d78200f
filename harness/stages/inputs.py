"""What a stage depends on: earlier artefacts, each read once, and digests of model, SAE, pairs, objective."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.artefact import Artefact, digest_file, digest_json, read_artefact
from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile

STUDIES = "studies/"
"""Before the name of a study in the `stage` of its artefact, which lies in that folder."""

_READ: dict[tuple[Path, tuple[int, int, int]], Artefact] = {}


@dataclass(frozen=True)
class Context:
    """A run as its stages see it. Digests are sha256 of canonical JSON, each computed once.

    Every property raises MissingInputError or DamagedFileError as `finished` does for `prepare`.
    """

    profile: Profile
    paths: RunPaths

    def finished(self, stage: str, arm: str = "") -> Artefact:
        """The artefact of an earlier stage, of one arm or of the whole run."""
        return finished(stage, self.profile, self.paths, arm)

    def trained(self, arm: str) -> Artefact:
        return self.finished("train", arm)

    def evaluated(self, arm: str) -> Artefact:
        return self.finished("evaluate", arm)

    @functools.cached_property
    def prepared(self) -> PrepareResult:
        """What `prepare` found, with the folders of this run: those whose files were just checked.

        A run folder that was copied or moved still names the old one's folders in its artefact.
        """
        found = PrepareResult.model_validate(self.finished("prepare").result)
        assets = self.paths.assets
        own = {"model_dir": assets / "model", "sae_dir": assets / "sae", "data_root": assets / "data"}
        return found.model_copy(update={name: str(folder) for name, folder in own.items() if folder.is_dir()})

    def file(self, name: str) -> str:
        """sha256 of a file that `prepare` brought, by its name there."""
        if name not in self.prepared.files:
            raise MissingInputError(
                "`prepare` did not record a file that the stage reads",
                value=name,
                remedy=f"run `{command('prepare', self.profile)}`",
            )
        return self.prepared.files[name]

    @functools.cached_property
    def model(self) -> str:
        """Digest of the base model: its section of the profile, and its files."""
        return digest_json([self.profile.model.model_dump(mode="json"), self.prepared.digest("model")])

    @functools.cached_property
    def sae(self) -> str:
        """Digest of the SAE: its section of the profile, and its files."""
        return digest_json([self.profile.sae.model_dump(mode="json"), self.prepared.digest("sae")])

    @functools.cached_property
    def train_pairs(self) -> str:
        """Digest of the training pairs: how they are read, and their file."""
        return self._pairs({"test", "test_pairs"}, self.profile.data.train)

    @functools.cached_property
    def test_pairs(self) -> str:
        """Digest of the test pairs: how they are read, and their file."""
        return self._pairs({"train", "train_pairs"}, self.profile.data.test)

    def _pairs(self, others: set[str], file: str) -> str:
        section: dict[str, Any] = self.profile.data.model_dump(mode="json", exclude=others)
        return digest_json([section, self.file(f"data/{file}")])

    @functools.cached_property
    def objective(self) -> str:
        """Digest of SimPO's beta and gamma, which the test loss depends on too."""
        return digest_json([self.profile.training.beta, self.profile.training.gamma])


_SPELLED: dict[str, str] = {}


def spelled(profile: str, how: str) -> None:
    """Remember how a run's profile was asked for on the command line, for `command`."""
    _SPELLED[profile] = how


def command(stage: str, profile: Profile, arm: str = "") -> str:
    """The command that runs a stage, for error messages; `studies/NAME` is a part of the stage `study`."""
    if stage.startswith(STUDIES):
        stage = f"study --study {stage.removeprefix(STUDIES)}"
    which = f" --arm {arm}" if arm else ""
    if profile.model.source != "random":
        return f"python -m harness {stage} --profile {_SPELLED.get(profile.name, profile.name)}{which}"
    real = profile.name.rpartition("-random")[0]
    shrink = f" --shrink {profile.model.divide}" if profile.model.divide > 1 else ""
    return f"python -m harness {stage} --profile {real} --random-weights{shrink}{which}"


def finished(stage: str, profile: Profile, paths: RunPaths, arm: str = "") -> Artefact:
    """The artefact of an earlier stage.

    Raises:
        MissingInputError: that stage has not run; the message names the command.
        DamagedFileError: the artefact cannot be read, or a file that the stage wrote has changed since.
    """
    made_by = command(stage, profile, arm)
    artefact = read_once(paths.stage(stage, arm), made_by)
    changed = first_changed(artefact, paths)
    if changed:
        raise DamagedFileError(
            f"a file that the stage {stage} wrote is missing or has changed since",
            value=paths.root / changed,
            remedy=f"run `{made_by}`, which makes it again",
        )
    return artefact


def read_once(path: Path, made_by: str) -> Artefact:
    """An artefact, read and checked once in a process as long as its file stays what it is.

    Raises:
        MissingInputError, DamagedFileError: as `harness.core.artefact.read_artefact`.
    """
    if not path.is_file():
        return read_artefact(path, made_by=made_by)
    now = (path, _stamp(path))
    if now not in _READ:
        _READ[now] = read_artefact(path, made_by=made_by)
    return _READ[now]


def first_changed(artefact: Artefact, paths: RunPaths) -> str | None:
    """The first of the artefact's files that is missing or has another digest, relative to the run folder."""
    for relative, digest in artefact.outputs.items():
        target = paths.root / relative
        if not target.is_file() or _digest(target, _stamp(target)) != digest:
            return relative
    return None


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written: its inode (files are replaced whole), time and size."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@functools.cache
def _digest(path: Path, _stamp: tuple[int, int, int]) -> str:
    return digest_file(path)
