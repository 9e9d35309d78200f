"""How a stage runs: reuse what is finished, lock the run folder, time the work, write the artefact."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from filelock import FileLock, Timeout

from harness import __version__
from harness.core.artefact import (
    Artefact,
    digest_file,
    digest_json,
    read_artefact,
    write_artefact,
    write_json,
)
from harness.core.console import console
from harness.core.errors import DamagedFileError, MissingInputError, RunFolderError, StaleError
from harness.core.paths import RunPaths
from harness.core.provenance import provenance
from harness.core.results import PrepareResult, Record
from harness.profiles.profile import Profile

STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")

HOLDER = ".holder.json"

STUDIES = "studies/"
"""Before the name of a study in the `stage` of its artefact, which lies in that folder."""


class Work(NamedTuple):
    """What a stage's work leaves.

    Attributes:
        result: what it found.
        files: what it wrote below the run folder.
        scratch: files and folders with which it would have gone on after an interruption; they go away once
            the artefact is written, and not before.
    """

    result: Record
    files: Sequence[Path]
    scratch: Sequence[Path] = ()


class Stage(Protocol):
    """A module of `harness.stages`. `show(artefact, paths)`, where there is one, prints the result for a
    person. `PINS = True` says that its work pins its own inputs: they are digested once more afterwards."""

    PER_ARM: bool

    def needs(self, profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]: ...

    def work(self, profile: Profile, paths: RunPaths, arm: str | None) -> Work: ...


def load_stage(name: str) -> Stage:
    """The module of a stage."""
    return cast(Stage, import_module(f"harness.stages.{name}"))


def command(stage: str, profile: Profile) -> str:
    """The command that runs a stage, for error messages; `studies/NAME` is a part of the stage `study`."""
    if stage.startswith(STUDIES):
        stage = f"study --study {stage.removeprefix(STUDIES)}"
    if profile.model.source != "random":
        return f"python -m harness {stage} --profile {profile.name}"
    real = profile.name.rpartition("-random")[0]
    shrink = f" --shrink {profile.model.divide}" if profile.model.divide > 1 else ""
    return f"python -m harness {stage} --profile {real} --random-weights{shrink}"


def finished(stage: str, profile: Profile, paths: RunPaths, arm: str | None = None) -> Artefact:
    """The artefact of an earlier stage.

    Raises:
        MissingInputError: that stage has not run; the message names the command.
        DamagedFileError: the artefact cannot be read, or a file that the stage wrote has changed since.
    """
    made_by = command(stage, profile) + (f" --arm {arm}" if arm else "")
    artefact = read_artefact(paths.stage(stage, arm), made_by=made_by)
    changed = first_changed(artefact, paths)
    if changed:
        raise DamagedFileError(
            f"a file that the stage {stage} wrote is missing or has changed since",
            value=paths.root / changed,
            remedy=f"run `{made_by}`, which makes it again",
        )
    return artefact


def prepared_inputs(profile: Profile, paths: RunPaths) -> PrepareResult:
    """What `prepare` found, with the folders of this run: those whose files were just checked.

    A run folder that was copied or moved still names the old one's folders in its artefact.

    Raises:
        MissingInputError, DamagedFileError: as `finished`.
    """
    found = PrepareResult.model_validate(finished("prepare", profile, paths).result)
    own = {
        "model_dir": paths.assets / "model",
        "sae_dir": paths.assets / "sae",
        "data_root": paths.assets / "data",
    }
    return found.model_copy(update={name: str(folder) for name, folder in own.items() if folder.is_dir()})


def first_changed(artefact: Artefact, paths: RunPaths) -> str | None:
    """The first of the artefact's files that is missing or has another digest, relative to the run folder."""
    for relative, digest in artefact.outputs.items():
        target = paths.root / relative
        if (
            not target.is_file()
            or _digest(target, target.stat().st_mtime_ns, target.stat().st_size) != digest
        ):
            return relative
    return None


@functools.cache
def _digest(path: Path, _mtime_ns: int, _size: int) -> str:
    """sha256 of a file, once in a process as long as its time stamp and size stay."""
    return digest_file(path)


def run_stage(name: str, profile: Profile, paths: RunPaths, arm: str | None = None) -> list[Artefact]:
    """Run a stage for one arm, for all arms, or for the run as a whole; a finished one is reused.

    Raises:
        HarnessError: any error of the stage; nothing half-written stays.
    """
    stage = load_stage(name)
    arms: list[str | None] = [None]
    if stage.PER_ARM:
        arms = [arm] if arm else list(profile.arms)
    for chosen in arms:
        if chosen:
            profile.arm(chosen)
    with held(paths.root):
        return [run_one(name, stage, profile, paths, chosen) for chosen in arms]


def refuse_stale(name: str, profile: Profile, paths: RunPaths, arm: str | None = None) -> None:
    """Refuse to go on to a stage from an earlier one's result that was made with something else.

    Raises:
        StaleError: names the stage to run again and what has changed.
    """
    for earlier in STAGES[: STAGES.index(name)]:
        stage = load_stage(earlier)
        arms: list[str | None] = [None] if not stage.PER_ARM else [arm] if arm else list(profile.arms)
        for one in arms:
            if not paths.stage(earlier, one).is_file():
                continue
            made_by = command(earlier, profile) + (f" --arm {one}" if one else "")
            artefact = read_artefact(paths.stage(earlier, one), made_by=made_by)
            changed = _different(artefact.inputs, stage.needs(profile, paths, one))
            if changed:
                raise StaleError(
                    f"the result of {earlier} is out of date: its inputs have changed",
                    value=f"changed: {', '.join(changed)}",
                    remedy=f"run `{made_by}`, which makes it again",
                )


@contextlib.contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold a run folder: two runs in one folder are refused. What a killed run half wrote goes away.

    Raises:
        RunFolderError: another process holds it, or it cannot be written.
    """
    holder = root / HOLDER
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise RunFolderError(
            f"another run is using this run folder ({_held_by(holder)})",
            value=root,
            remedy="wait for it, or give another folder with --run-dir DIR",
        ) from error
    except OSError as error:
        raise RunFolderError(
            f"the run folder cannot be used ({error.strerror or error})",
            value=root,
            remedy="give a writable folder with --run-dir DIR",
        ) from error
    try:
        for pattern in (".*.part", "*/.*.part", "*/*/.*.part"):
            for half in root.glob(pattern):
                half.unlink(missing_ok=True)
        write_json(holder, {"pid": os.getpid(), "command": " ".join(sys.argv)})
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _held_by(holder: Path) -> str:
    """Who holds a run folder, as far as its holder has said."""
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {int(found['pid'])}: {found['command']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has only just begun"


def run_one(name: str, stage: Stage, profile: Profile, paths: RunPaths, arm: str | None) -> Artefact:
    """Run a stage once, or reuse its artefact; the run folder must be held."""
    label = f"{name} {arm}" if arm else name
    inputs = stage.needs(profile, paths, arm)
    key = digest_json({"stage": name, "arm": arm, "inputs": inputs, "harness": __version__})
    old, stale = _reusable(paths.stage(name, arm), key, inputs, paths)
    if old is not None:
        console.print(f"[dim]{label}: reused (nothing that it depends on has changed)[/dim]")
        return _shown(stage, old, paths)
    console.print(f"[bold]{label}[/bold]: {stale}")
    started = time.monotonic()
    work = stage.work(profile, paths, arm)
    if getattr(stage, "PINS", False):
        inputs = stage.needs(profile, paths, arm)
        key = digest_json({"stage": name, "arm": arm, "inputs": inputs, "harness": __version__})
    artefact = Artefact(
        stage=name,
        arm=arm,
        key=key,
        profile=profile.resolved(),
        inputs=inputs,
        outputs={path.relative_to(paths.root).as_posix(): digest_file(path) for path in work.files},
        provenance=provenance(profile.training.seed),
        wall_s=round(time.monotonic() - started, 3),
        result=work.result.model_dump(mode="json"),
    )
    write_artefact(paths.stage(name, arm), artefact)
    for left in work.scratch:
        _remove(left)
    console.print(f"{label}: done in {artefact.wall_s:.1f} s")
    return _shown(stage, artefact, paths)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _shown(stage: Stage, artefact: Artefact, paths: RunPaths) -> Artefact:
    show: Any = getattr(stage, "show", None)
    if show is not None:
        show(artefact, paths)
    return artefact


def _reusable(path: Path, key: str, inputs: dict[str, str], paths: RunPaths) -> tuple[Artefact | None, str]:
    """The finished artefact if it still holds, and otherwise why the stage runs."""
    try:
        old = read_artefact(path, made_by="this stage")
    except MissingInputError:
        return None, "running"
    except DamagedFileError as error:
        return None, f"running again ({error.cause})"
    if old.key != key:
        changed = _different(old.inputs, inputs)
        return None, f"running again (changed: {', '.join(changed[:5]) or 'the harness'})"
    bent = first_changed(old, paths)
    return (None, f"running again ({bent} is missing or changed)") if bent else (old, "")


def _different(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Names of the inputs that are not the same in both."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
