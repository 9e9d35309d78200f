"""A data root made by hand, for the tests of sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness.miniature.manifest import BUNDLES, MANIFEST
from harness.profiles.profile import load_profile
from harness.profiles.toml_file import profile_names


def list_file(folder: Path, name: str, body: str, *, rows: int) -> None:
    """Enter a file with this body and these rows into the manifest of a data root."""
    path = folder / "MANIFEST.json"
    manifest = json.loads(path.read_text()) if path.is_file() else {}
    sha = hashlib.sha256(body.encode()).hexdigest()
    manifest[name] = {"rows": rows, "sha256": sha, "source": "made here", "licence": "CC0-1.0"}
    path.write_text(json.dumps(manifest))


def _unless_built(name: str, bundle: str) -> Any:
    built = bundle not in BUNDLES or (BUNDLES[bundle] / MANIFEST).is_file()
    return pytest.param(
        name, marks=pytest.mark.skipif(not built, reason=f"the bundle {bundle} is not built yet")
    )


def built_bundles() -> list[Any]:
    """The name of each bundle, as a test's parameters; one that is not built yet is skipped."""
    return [_unless_built(name, name) for name in BUNDLES]


def built_profiles() -> list[Any]:
    """The name of each profile, likewise; one whose bundle is not built yet is skipped."""
    return [_unless_built(name, load_profile(name).model.id) for name in profile_names()]
