"""The bundle's manifest: sha256 and size of every file, and what was measured when it was built."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.core.documents import read_document
from harness.core.errors import DamagedFileError, MissingInputError

MANIFEST = "manifest.json"
SCHEMA = "harness.miniature.manifest/1"
BUILD_COMMAND = "nox -s build-miniature"
BUNDLE = Path(__file__).parent / "bundle"
REMEDY = f"restore it from version control, or rebuild with `{BUILD_COMMAND}`"


def file_entry(path: Path) -> dict[str, Any]:
    """sha256 and size in bytes of a file."""
    body = path.read_bytes()
    return {"sha256": sha256(body).hexdigest(), "bytes": len(body)}


def bundle_files(bundle: Path) -> dict[str, dict[str, Any]]:
    """Path inside the bundle -> its entry, for every file but the manifest."""
    paths = sorted(p for p in bundle.rglob("*") if p.is_file() and p != bundle / MANIFEST)
    return {path.relative_to(bundle).as_posix(): file_entry(path) for path in paths}


def write_manifest(bundle: Path, facts: dict[str, Any]) -> Path:
    """Write the manifest: ``facts`` (seed, versions, measurements), the build command, every file's entry."""
    body = {"schema": SCHEMA, "build_command": BUILD_COMMAND, **facts, "files": bundle_files(bundle)}
    path = bundle / MANIFEST
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def read_manifest(bundle: Path = BUNDLE) -> dict[str, Any]:
    """The manifest of a bundle.

    Raises:
        MissingInputError: there is none.
        DamagedFileError: it is not JSON of this schema.
    """
    path = bundle / MANIFEST
    body: dict[str, Any] = read_document(path, what="the miniature's manifest", remedy=REMEDY)
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise DamagedFileError("the miniature's manifest has another schema", value=path, remedy=REMEDY)
    return body


def verify(bundle: Path = BUNDLE) -> dict[str, Any]:
    """Check every file of the bundle against the manifest and return the manifest.

    Raises:
        MissingInputError: a file is missing.
        DamagedFileError: a file's size or digest differs, or a file is not in the manifest.
    """
    body = read_manifest(bundle)
    expected: dict[str, dict[str, Any]] = body["files"]
    for name, entry in expected.items():
        path = bundle / name
        if not path.is_file():
            raise MissingInputError("a file of the miniature is missing", value=path, remedy=REMEDY)
        if file_entry(path) != entry:
            raise DamagedFileError(
                "a file of the miniature does not match its manifest", value=path, remedy=REMEDY
            )
    for name in bundle_files(bundle):
        if name not in expected:
            raise DamagedFileError(
                "the miniature has a file that its manifest does not list",
                value=bundle / name,
                remedy=REMEDY,
            )
    return body
