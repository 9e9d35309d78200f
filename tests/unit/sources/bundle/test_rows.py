"""A bundle's rows: drawn from the seed, held to the manifest, kept once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DamagedFileError
from harness.miniature.dataset import described
from harness.sources.bundle import rows as source
from harness.sources.bundle.files import Bundle, read_bundle
from harness.sources.bundle.rows import bundle_rows, data_root
from harness.sources.data_root import MANIFEST

TRAIN = "preferences/miniature/train.jsonl"


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The committed bundle, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read_bundle("miniature")


def changed(bundle: Bundle, path: str, **values: Any) -> Bundle:
    """The bundle with another entry of a drawn set in its manifest."""
    drawn = {**bundle.manifest["drawn"]}
    drawn[path] = drawn.get(path, {}) | values
    return bundle._replace(manifest=bundle.manifest | {"drawn": drawn})


def made(root: Path) -> list[Path]:
    return [path for path in root.glob("cache/fsrl-bench/worlds/*") if path.is_dir()]


def test_the_rows_are_those_of_the_manifest(bundle: Bundle) -> None:
    """Bytes, not only counts: sha256, size and lines of every file, and no file beside them."""
    part = bundle_rows(bundle)
    found = {name: (part.folder / name).read_bytes() for name in part.files}
    assert described(found) == bundle.manifest["drawn"]
    assert part.facts == {"seed": bundle.manifest["seed"]}
    listed = json.loads((part.folder / MANIFEST).read_text())
    assert set(listed) == set(part.files) - {MANIFEST}
    assert {name: part.files[name] for name in listed} == {n: one["sha256"] for n, one in listed.items()}
    assert data_root() == part.folder


def test_the_rows_are_drawn_once(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call, and another bundle of the same world, read what is there."""
    first = bundle_rows(bundle)

    def again(_seed: int) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(source, "make_world", again)
    assert bundle_rows(bundle) == first
    assert bundle_rows(bundle._replace(root=tmp_path)) == first
    assert len(made(tmp_path)) == 1


@pytest.mark.parametrize("values", [{"sha256": "0" * 64}, {"rows": 5999}, {"bytes": 1}])
def test_a_draw_that_differs_is_refused_by_the_files_name(
    bundle: Bundle, tmp_path: Path, values: dict[str, Any]
) -> None:
    with pytest.raises(DamagedFileError, match="not those of the miniature's manifest") as caught:
        bundle_rows(changed(bundle, TRAIN, **values))
    assert caught.value.value == TRAIN
    assert "build-miniature" in caught.value.remedy
    assert made(tmp_path) == [], "nothing of it is kept"


def test_a_set_too_many_or_too_few_is_named(bundle: Bundle) -> None:
    with pytest.raises(DamagedFileError) as caught:
        bundle_rows(changed(bundle, "preferences/miniature/more.jsonl", rows=1))
    assert caught.value.value == "preferences/miniature/more.jsonl"
    drawn = {name: one for name, one in bundle.manifest["drawn"].items() if name != TRAIN}
    with pytest.raises(DamagedFileError) as caught:
        bundle_rows(bundle._replace(manifest=bundle.manifest | {"drawn": drawn}))
    assert caught.value.value == TRAIN


def test_a_file_changed_in_the_cache_is_refused(bundle: Bundle) -> None:
    path = bundle_rows(bundle).folder / TRAIN
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match="missing or changed") as caught:
        bundle_rows(bundle)
    assert caught.value.value == path
