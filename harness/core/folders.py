"""Folders that appear whole or not at all, and one way to say that something cannot be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.core.errors import RunFolderError

FREE = "free disk space, or give a writable folder with --run-dir DIR"


@contextmanager
def writing(cause: str, path: Path, remedy: str = FREE, *also: type[Exception]) -> Iterator[None]:
    """Turn an OSError of the block, and errors of the types `also`, into a refusal.

    Raises:
        RunFolderError: `cause` with what the operating system says.
    """
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except failures as error:
        said = getattr(error, "strerror", None) or error
        raise RunFolderError(f"{cause} ({said})", value=path, remedy=remedy) from error


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` when the block ends, and goes away where it raises.

    What lies at `target` stays there until the new folder is whole, and everybody may read the new one.

    Raises:
        OSError: it cannot be written, or put in place; then what lay there before lies there again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.TemporaryDirectory(
        dir=target.parent, prefix=f".{target.name}.", ignore_cleanup_errors=True
    )
    with beside as name:
        new = Path(name) / "new"
        new.mkdir()
        yield new
        for path in (new, *new.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        put_in_place(new, target)


def put_in_place(made: Path, target: Path) -> None:
    """Move a folder to where another may lie, which moves into `<made>.old`.

    Raises:
        OSError: one of the two cannot be moved; then what lay there before lies there again.
    """
    old = made.with_name(f"{made.name}.old")
    with suppress(FileNotFoundError):
        os.replace(target, old)
    try:
        os.replace(made, target)
    except OSError:
        with suppress(OSError):
            os.replace(old, target)
        raise
