"""The lock's hashes: one file at least for each pinned version, none for another, and read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import DamagedFileError, MissingInputError
from harness.core.paths import VERSIONS
from harness.environment.lock import (
    Release,
    normalised,
    pinned,
    portable,
    read_hashes,
    release_of,
    renew,
    reported,
    requirements,
    write_hashes,
)

ONE, TWO = "1" * 64, "2" * 64


def test_every_pinned_version_has_a_hash_and_no_hash_is_of_another() -> None:
    wanted = pinned(VERSIONS.read_text())
    found = {release_of(file) for file in read_hashes()}
    assert sorted(map(str, wanted - found)) == [], "run `nox -s lock`"
    assert sorted(map(str, found - wanted)) == [], "run `nox -s lock`"


@pytest.mark.parametrize(
    ("file", "release", "everywhere"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "torch==2.13.0", False),
        ("PyYAML-6.0.3-cp311-cp311-manylinux2014_x86_64.whl", "pyyaml==6.0.3", False),
        ("lm_eval-0.4.13-py3-none-any.whl", "lm-eval==0.4.13", True),
        ("pytz-2026.6-py2.py3-none-any.whl", "pytz==2026.6", True),
        ("multiprocess-0.70.19-py311-none-any.whl", "multiprocess==0.70.19", False),
        ("ninja-1.13.2-py3-none-manylinux2014_x86_64.whl", "ninja==1.13.2", False),
        ("transformers-stream-generator-0.0.5.tar.gz", "transformers-stream-generator==0.0.5", True),
        ("word2number-1.1.zip", "word2number==1.1", True),
    ],
)
def test_a_file_name_tells_its_release_and_whether_every_machine_installs_it(
    file: str, release: str, everywhere: bool
) -> None:
    assert str(release_of(file)) == release
    assert portable(file) is everywhere


def test_the_requirements_name_each_release_once_with_all_its_digests() -> None:
    files = {"b-1.0+cpu-py3-none-any.whl": ONE, "a_c-2.0-py3-none-any.whl": ONE, "a_c-2.0.tar.gz": TWO}
    assert requirements(files) == (
        f"a-c==2.0 --hash=sha256:{ONE} --hash=sha256:{TWO}\nb==1.0+cpu --hash=sha256:{ONE}\n"
    )


@pytest.mark.parametrize(
    "line", ["abc  a-1.0.zip", f"{ONE}  ", f"{ONE} a-1.0.zip", f"{ONE}  a.whl", f"{ONE}  b-1.0.zip"]
)
def test_a_line_that_is_no_digest_and_new_name_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "hashes"
    path.write_text(f"# a comment\n{ONE}  b-1.0.zip\n{line}\n")
    with pytest.raises(DamagedFileError, match="line 3"):
        read_hashes(path)


@pytest.mark.parametrize("line", ["torch", "torch>=2", "torch=="])
def test_a_version_that_is_not_pinned_is_refused(line: str) -> None:
    with pytest.raises(DamagedFileError, match="name==version"):
        pinned(f"a==1\n{line}\n")


@pytest.mark.parametrize("report", ["", "[]", "{}", '{"install": [{}]}', '{"install": 3}'])
def test_a_report_of_another_layout_is_refused(report: str) -> None:
    with pytest.raises(DamagedFileError, match="pip --version"):
        reported(report)


def test_hashes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_hashes(tmp_path / "none")


def test_hashes_are_read_as_they_were_written(tmp_path: Path) -> None:
    files = {"B-1.0.zip": ONE, "a-1.0.zip": TWO}
    write_hashes(files, tmp_path / "hashes")
    assert read_hashes(tmp_path / "hashes") == files
    assert pinned("A_b.c==1.0\n# d==1\nE==2 # why\n") == {Release("a-b-c", "1.0"), Release("e", "2")}
    assert normalised("A__b.-c") == "a-b-c"


def _report(**archive: object) -> str:
    info = {"url": "https://host/x/torch-2.13.0%2Bcpu-cp311.whl#sha256=zz", "archive_info": archive}
    return json.dumps(
        {"install": [{"download_info": info, "metadata": {"name": "torch", "version": "2.13.0"}}]}
    )


def test_pips_report_gives_the_file_and_its_digest_in_either_layout() -> None:
    for archive in ({"hashes": {"sha256": ONE}}, {"hash": f"sha256={ONE}"}):
        (found,) = reported(_report(**archive))
        assert (found.file, found.sha256) == ("torch-2.13.0+cpu-cp311.whl", ONE)
    folder = {"url": "file:///project", "dir_info": {"editable": True}}
    assert reported(json.dumps({"install": [{"download_info": folder}]})) == []


def test_a_file_whose_origin_pip_does_not_know_is_refused() -> None:
    with pytest.raises(DamagedFileError, match="pip cache purge"):
        reported(_report())


def test_renewing_keeps_what_is_still_pinned_and_drops_what_is_not(tmp_path: Path) -> None:
    versions, hashes = tmp_path / "constraints.txt", tmp_path / "hashes"
    versions.write_text("kept==1.0\n")
    write_hashes({"kept-1.0.zip": ONE, "kept-0.9.zip": TWO, "gone-1.0.zip": TWO}, hashes)
    assert renew("no-such-python", versions, hashes) == (0, 2)
    assert read_hashes(hashes) == {"kept-1.0.zip": ONE}
