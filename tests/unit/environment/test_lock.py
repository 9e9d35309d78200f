"""The lock: it holds what the project pins, and is read strictly; pip's report is held against it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import LOCK, ROOT
from harness.environment.lock import (
    BUILDS,
    Distribution,
    Locked,
    Release,
    normalised,
    read_lock,
    reported,
    requirements,
    unverified,
)

ONE, TWO = "1" * 64, "2" * 64
ENTRY = f"a-b==1.0 \\\n    --hash=sha256:{ONE}\n"
TORCH = Release("torch", "2.13.0")


def test_the_lock_holds_what_the_project_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wanted += project["optional-dependencies"]["smollm2"]
    lock = read_lock(LOCK, BUILDS)
    names = {release.name for release in lock}
    for line in wanted:
        name, _, version = line.partition("==")
        if version:
            assert Release(normalised(name.partition("[")[0]), version) in lock, "run `nox -s lock`"
        else:
            assert normalised(line.partition(">")[0]) in names, "run `nox -s lock`"
    assert "setuptools" in names


def test_a_package_has_one_version_and_the_builds_are_of_it() -> None:
    releases = list(read_lock(LOCK))
    assert len({release.name for release in releases}) == len(releases)
    for build in read_lock(BUILDS):
        assert build._replace(version=build.version.partition("+")[0]) in releases


def test_the_lock_names_no_index() -> None:
    assert "://" not in LOCK.read_text(encoding="utf-8") + BUILDS.read_text(encoding="utf-8")


def test_the_lock_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(
        f"# made by a tool\n#    nox -s lock\n{ENTRY}"
        f"b==2.0+cpu ; sys_platform == 'linux' \\\n    --hash=sha256:{TWO} \\\n    --hash=sha256:{ONE}\n"
    )
    lock = read_lock(path)
    assert lock == {
        Release("a-b", "1.0"): Locked("", frozenset([ONE])),
        Release("b", "2.0+cpu"): Locked(" ; sys_platform == 'linux'", frozenset([ONE, TWO])),
    }
    assert requirements(lock) == (
        f"a-b==1.0 --hash=sha256:{ONE}\n"
        f"b==2.0+cpu ; sys_platform == 'linux' --hash=sha256:{ONE} --hash=sha256:{TWO}\n"
    )
    assert normalised("A__b.-c") == "a-b-c"


@pytest.mark.parametrize(
    "text",
    [
        "torch\n",
        "torch>=2\n",
        "a==1.0\n",
        "c==1.0 \\\n    --hash=sha256:abc\n",
        f"c==1.0 \\\n    --hash=sha256:{ONE}",
        f"c==1.0 --hash=sha256:{ONE}\n",
        f"-e c==1.0 \\\n    --hash=sha256:{ONE}\n",
        ENTRY,
    ],
)
def test_a_line_that_is_no_release_with_digests_or_one_twice_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_text(f"# a comment\n{ENTRY}{text}")
    with pytest.raises(DamagedFileError, match="line 4"):
        read_lock(path)


def test_a_lock_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_lock(tmp_path / "none")


def test_a_file_is_held_against_the_digests_of_its_release() -> None:
    lock = {TORCH: Locked("", frozenset([ONE]))}
    build = Distribution("torch-2.13.0+cu1-x.whl", TWO, TORCH._replace(version="2.13.0+cu1"))
    assert unverified([Distribution("torch-2.13.0-x.whl", ONE, TORCH), build], lock) == [build]
    with pytest.raises(DamagedFileError, match=f"(?s)torch-2.*{TWO}.*{ONE}"):
        unverified([Distribution("torch-2.13.0-x.whl", TWO, TORCH)], lock)


@pytest.mark.parametrize("report", ["", "[]", "{}", '{"install": [{}]}', '{"install": 3}'])
def test_a_report_of_another_layout_is_refused(report: str) -> None:
    with pytest.raises(DamagedFileError, match="pip --version"):
        reported(report)


def _report(**archive: object) -> str:
    info = {"url": "https://host/x/torch-2.13.0%2Bcpu-cp311.whl#sha256=zz", "archive_info": archive}
    return json.dumps(
        {"install": [{"download_info": info, "metadata": {"name": "torch", "version": "2.13.0+cpu"}}]}
    )


def test_pips_report_gives_the_file_and_its_digest_in_either_layout() -> None:
    for archive in ({"hashes": {"sha256": ONE}}, {"hash": f"sha256={ONE}"}):
        (found,) = reported(_report(**archive))
        assert found == ("torch-2.13.0+cpu-cp311.whl", ONE, ("torch", "2.13.0+cpu"))
    folder = {"url": "file:///project", "dir_info": {"editable": True}}
    assert reported(json.dumps({"install": [{"download_info": folder}]})) == []


def test_a_file_whose_origin_pip_does_not_know_is_refused() -> None:
    with pytest.raises(DamagedFileError, match="pip cache purge"):
        reported(_report())
