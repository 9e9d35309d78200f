"""A folder of rows laid out ORG/NAME/CONFIG/SPLIT.jsonl, checked against its MANIFEST.json."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel

from harness.core.artefact import digest_file
from harness.core.documents import read_model
from harness.core.errors import DamagedFileError, DataError, MissingInputError

MANIFEST = "MANIFEST.json"
LAYOUT = (
    "a folder laid out ORG/NAME/CONFIG/SPLIT.jsonl with a MANIFEST.json that gives rows, sha256, source and "
    "licence of each file"
)
HOW = "give it with --data-root DIR or the variable HARNESS_DATA_ROOT"


class Entry(BaseModel):
    """What the manifest says of a file."""

    model_config = ConfigDict(frozen=True, strict=True)

    rows: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    source: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]


class Manifest(RootModel[dict[str, Entry]]):
    """MANIFEST.json: path relative to the data root -> entry."""


class RowFile(NamedTuple):
    """A file of the data root as found.

    Attributes:
        sha256: of its bytes.
        rows: its lines.
        listed: whether the manifest names it; a text may be unlisted, rows may not.
        source, licence: as the manifest says; empty where it does not name the file.
    """

    sha256: str
    rows: int
    listed: bool
    source: str
    licence: str


def open_data_root(root: Path | None) -> Path:
    """The data root that the user named.

    Raises:
        MissingInputError: none was named, or it is not a data root.
    """
    if root is None:
        raise MissingInputError(
            "this profile reads rows from a data root, but none was given", remedy=f"{HOW}: {LAYOUT}"
        )
    if not (root / MANIFEST).is_file():
        raise MissingInputError("this is not a data root", value=root, remedy=f"{HOW}: {LAYOUT}")
    return root


def read_manifest(root: Path) -> dict[str, Entry]:
    """The manifest of a data root.

    Raises:
        DamagedFileError: it is not JSON or lacks a key.
        DataError: it names a path outside the data root.
    """
    path = root / MANIFEST
    remedy = "correct it: each file needs rows, sha256, source and licence"
    entries = read_model(path, Manifest, what="the data root's manifest", remedy=remedy).root
    for name in entries:
        inside(root, name)
    return entries


def read_files(root: Path, names: Iterable[str], *, texts: Iterable[str] = ()) -> dict[str, RowFile]:
    """Check files of a data root against its manifest.

    Args:
        names: files of rows; the manifest must list them.
        texts: files of text; recorded as unlisted where the manifest does not list them.

    Raises:
        MissingInputError: a file is not there, or rows are not in the manifest.
        DamagedFileError: a digest or a number of rows is not the manifest's.
        DataError: a path leads out of the data root.
    """
    manifest = read_manifest(root)
    found = {name: _read(root, name, manifest.get(name)) for name in sorted({*names, *texts})}
    for name in sorted(set(names)):
        if not found[name].listed:
            raise MissingInputError(
                "rows that the data root's manifest does not list cannot be traced to a source",
                value=root / name,
                remedy=f"add its rows, sha256, source and licence to {root / MANIFEST}",
            )
    return found


def inside(root: Path, name: str) -> Path:
    """The file below the root.

    Raises:
        DataError: the path, or a link on it, leads out of the root, or no file can have it.
    """
    path = root / name
    remedy = "put the file below the data root and name it relative to it"
    try:
        path.is_file()
        below = path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError) as error:
        raise DataError(
            f"no file can have this name ({error})", value=repr(name[:80]), remedy=remedy
        ) from error
    if Path(name).is_absolute() or not below:
        raise DataError("a path leads out of the data root", value=name, remedy=remedy)
    return path


def present(root: Path, name: str, named_by: str, remedy: str) -> Path:
    """The file below the root.

    Raises:
        MissingInputError: it is not there.
        DataError: as for `inside`.
    """
    path = inside(root, name)
    if not path.is_file():
        raise MissingInputError(f"the data root lacks a file that {named_by}", value=path, remedy=remedy)
    return path


def _read(root: Path, name: str, entry: Entry | None) -> RowFile:
    path = present(root, name, "the profile names", f"add it, or {HOW}: {LAYOUT}")
    sha, rows = digest_file(path), _count_lines(path)
    if entry is None:
        return RowFile(sha, rows, listed=False, source="", licence="")
    if (sha, rows) != (entry.sha256, entry.rows):
        raise DamagedFileError(
            f"a file of the data root does not match its manifest ({rows} rows, {entry.rows} listed; "
            f"sha256 {sha[:12]}..., {entry.sha256[:12]}... listed)",
            value=path,
            remedy=f"restore the file, or correct its entry in {root / MANIFEST} if the change was meant",
        )
    return RowFile(sha, rows, listed=True, source=entry.source, licence=entry.licence)


def _count_lines(path: Path) -> int:
    data = path.read_bytes()
    return data.count(b"\n") + (not data.endswith(b"\n") if data else 0)
