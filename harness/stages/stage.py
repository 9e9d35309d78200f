"""How a stage runs: reuse what is finished, lock the run folder, time the work, write the artefact."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from filelock import FileLock

from harness import __version__
from harness.core.artefact import Artefact, digest_file, digest_json, write_artefact, write_json
from harness.core.console import console
from harness.core.differing import differing
from harness.core.errors import DamagedFileError, MissingInputError, RunFolderError, StaleError
from harness.core.machine import of_the_machine
from harness.core.paths import RunPaths
from harness.core.provenance import provenance
from harness.core.results import Record
from harness.profiles.profile import Profile
from harness.stages.inputs import Context, command, first_changed, read_once

STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")

READERS = ("analyse", "report", "check")
"""They read what others made, and write only what none but the next of them reads."""

HOLDER = ".holder.json"


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
    """A module of `harness.stages`; `arm` is empty for a stage of the whole run (`PER_ARM = False`).

    `show(artefact, paths)`, where there is one, prints the result for a person. `PINS = True` says that its
    work pins its own inputs: they are digested once more afterwards.
    """

    PER_ARM: bool

    def needs(self, context: Context, arm: str) -> dict[str, str]: ...

    def work(self, context: Context, arm: str) -> Work: ...


def load_stage(name: str) -> Stage:
    """The module of a stage."""
    return cast(Stage, import_module(f"harness.stages.{name}"))


def run_stage(name: str, profile: Profile, paths: RunPaths, arm: str | None = None) -> list[Artefact]:
    """Run a stage for one arm, for all arms, or for the run as a whole; a finished one is reused, also where
    another command holds the run folder, or nothing can be written there.

    Raises:
        HarnessError: any error of the stage; nothing half-written stays.
    """
    stage, context = load_stage(name), Context(profile, paths)
    arms = _arms(stage, profile, arm)
    try:
        with held(paths.root, reads=name in READERS):
            return [run_one(name, stage, context, one) for one in arms]
    except RunFolderError:
        found = [_reusable(name, context, one, stage.needs(context, one))[0] for one in arms]
        finished = [one for one in found if one is not None]
        if len(finished) < len(arms):
            raise
        return [_reused(name, stage, one, paths) for one in finished]


def _arms(stage: Stage, profile: Profile, arm: str | None) -> list[str]:
    """For which arms a stage works; the whole run is the arm without a name.

    Raises:
        ProfileError: the profile has no such arm.
    """
    if arm and stage.PER_ARM:
        profile.arm(arm)
        return [arm]
    return list(profile.arms) if stage.PER_ARM else [""]


def refuse_stale(name: str, profile: Profile, paths: RunPaths, arm: str | None = None) -> None:
    """Refuse to go on to a stage from an earlier one's result whose inputs have changed.

    The readers go on from results of another machine, or of other packages: nothing is computed anew.

    Raises:
        StaleError: names the stage to run again and what has changed.
    """
    context = Context(profile, paths)
    for earlier in STAGES[: STAGES.index(name)]:
        for one in _arms(load_stage(earlier), profile, arm):
            if paths.stage(earlier, one).is_file():
                up_to_date(earlier, context, one, anywhere=name in READERS)


def up_to_date(name: str, context: Context, arm: str = "", *, anywhere: bool = False) -> Artefact:
    """The artefact of a stage, if it was made of what the run has now.

    Args:
        anywhere: whether it may have been made on another machine, or with other packages.

    Raises:
        StaleError: an input has changed; the message names it.
        MissingInputError, DamagedFileError: as `harness.stages.inputs.read_once`.
    """
    made_by = command(name, context.profile, arm)
    artefact = read_once(context.paths.stage(name, arm), made_by)
    changed = differing(artefact.inputs, load_stage(name).needs(context, arm))
    if anywhere:
        changed = [one for one in changed if not of_the_machine(one)]
    if changed:
        raise StaleError(
            f"{name} is out of date: its inputs have changed ({', '.join(changed)})",
            value=context.paths.stage(name, arm),
            remedy=f"run `{made_by}`, which makes it again",
        )
    return artefact


@contextlib.contextmanager
def held(root: Path, *, reads: bool = False) -> Iterator[None]:
    """Hold a run folder: two runs in one folder are refused. What a killed run half wrote goes away.

    Args:
        reads: for a command that writes nothing that training, evaluation or a study reads. Such commands
            wait for one another, a matter of seconds, and keep all others out.

    Raises:
        RunFolderError: another process holds it, or it cannot be written.
    """
    holder = root / HOLDER
    with contextlib.ExitStack() as locks:
        _lock(root, reads, locks)
        for pattern in (".*.part", "*/.*.part", "*/*/.*.part"):
            for half in root.glob(pattern):
                half.unlink(missing_ok=True)
        write_json(holder, {"pid": os.getpid(), "command": " ".join(sys.argv)})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink()


def _lock(root: Path, reads: bool, locks: contextlib.ExitStack) -> None:
    holder = root / HOLDER
    try:
        root.mkdir(parents=True, exist_ok=True)
        if reads:
            locks.enter_context(FileLock(root / ".reading.lock"))
        file = locks.enter_context((root / ".lock").open("ab"))
        fcntl.flock(file, (fcntl.LOCK_SH if reads else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
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


def _held_by(holder: Path) -> str:
    """Who holds a run folder, as far as its holder has said."""
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {int(found['pid'])}: {found['command']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has only just begun"


def run_one(name: str, stage: Stage, context: Context, arm: str = "") -> Artefact:
    """Run a stage once, or reuse its artefact; the run folder must be held."""
    label = f"{name} {arm}" if arm else name
    profile, paths = context.profile, context.paths
    inputs = stage.needs(context, arm)
    old, stale = _reusable(name, context, arm, inputs)
    if old is not None:
        return _reused(name, stage, old, paths)
    console.print(f"[bold]{label}[/bold]: {stale}")
    started = time.monotonic()
    work = stage.work(context, arm)
    if getattr(stage, "PINS", False):
        inputs = stage.needs(context, arm)
    artefact = Artefact(
        stage=name,
        arm=arm or None,
        key=_key(name, arm, inputs),
        profile=profile.resolved(),
        inputs=inputs,
        outputs={path.relative_to(paths.root).as_posix(): digest_file(path) for path in work.files},
        provenance=provenance(profile.training.seed),
        wall_s=round(time.monotonic() - started, 3),
        result=work.result.model_dump(mode="json"),
    )
    write_artefact(paths.stage(name, arm), artefact)
    for left in work.scratch:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    console.print(f"{label}: done in {artefact.wall_s:.1f} s")
    return _shown(stage, artefact, paths)


def _key(name: str, arm: str, inputs: dict[str, str]) -> str:
    return digest_json({"stage": name, "arm": arm or None, "inputs": inputs, "harness": __version__})


def _reused(name: str, stage: Stage, old: Artefact, paths: RunPaths) -> Artefact:
    label = f"{name} {old.arm}" if old.arm else name
    console.print(f"[dim]{label}: reused (nothing that it depends on has changed)[/dim]")
    return _shown(stage, old, paths)


def _shown(stage: Stage, artefact: Artefact, paths: RunPaths) -> Artefact:
    show: Any = getattr(stage, "show", None)
    if show is not None:
        show(artefact, paths)
    return artefact


def _reusable(name: str, context: Context, arm: str, inputs: dict[str, str]) -> tuple[Artefact | None, str]:
    """The finished artefact if it still holds, and otherwise why the stage runs."""
    try:
        old = read_once(context.paths.stage(name, arm), command(name, context.profile, arm))
    except MissingInputError:
        return None, "running"
    except DamagedFileError as error:
        return None, f"running again ({error.cause})"
    if old.key != _key(name, arm, inputs):
        changed = differing(old.inputs, inputs)
        return None, f"running again (changed: {', '.join(changed[:5]) or 'the harness'})"
    bent = first_changed(old, context.paths)
    return (None, f"running again ({bent} is missing or changed)") if bent else (old, "")
