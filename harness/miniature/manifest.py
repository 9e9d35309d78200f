"""A bundle's manifest: sha256 and size of every file, of every set that its seed draws again, and what was
measured when it was built.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core.artefact import digest_tree, write_text
from harness.core.documents import read_document
from harness.core.errors import DamagedFileError, MissingInputError

MANIFEST = "manifest.json"
SCHEMA = "harness.miniature.manifest/1"
BUILD_COMMAND = "nox -s build-miniature"
BUNDLES = {
    name: Path(__file__).parent / "bundles" / name
    for name in ("miniature", "miniature-llama", "miniature-narrow")
}
"""Folder of each bundle, by `model.id`; all of them live in the same world."""
BUNDLE = BUNDLES["miniature"]
REMEDY = f"restore it from version control, or rebuild with `{BUILD_COMMAND}`"


def bundle_files(bundle: Path) -> dict[str, dict[str, Any]]:
    """Path inside the bundle -> sha256 and size in bytes, for every file but the manifest."""
    shas = digest_tree(bundle)
    shas.pop(MANIFEST, None)
    return {name: {"sha256": sha, "bytes": (bundle / name).stat().st_size} for name, sha in shas.items()}


def write_manifest(bundle: Path, facts: dict[str, Any]) -> None:
    """Write the manifest: ``facts`` (seed, versions, measurements), the build command, every file's entry."""
    body = {"schema": SCHEMA, "build_command": BUILD_COMMAND, **facts, "files": bundle_files(bundle)}
    write_text(bundle / MANIFEST, json.dumps(body, indent=1, sort_keys=True) + "\n")


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
    found = bundle_files(bundle)
    for name, entry in expected.items():
        if name not in found:
            raise MissingInputError("a file of the miniature is missing", value=bundle / name, remedy=REMEDY)
        if found[name] != entry:
            cause = "a file of the miniature does not match its manifest"
            raise DamagedFileError(cause, value=bundle / name, remedy=REMEDY)
    for name in sorted(found.keys() - expected.keys()):
        cause = "the miniature has a file that its manifest does not list"
        raise DamagedFileError(cause, value=bundle / name, remedy=REMEDY)
    return body
