"""A whole `prepare` from a hub over HTTP: model, GemmaScope file, pairs and evaluation rows; then offline."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
import training_toys as toys
from hub_server import SECRET, Hub, Repo

from fsrl.sae import Sae
from harness.__main__ import main
from harness.core.errors import ProfileError, UnavailableError
from harness.profiles.profile import load_profile
from harness.profiles.sections import SaeSection
from harness.sources.data_root import read_files, read_manifest
from harness.sources.hub.repositories import Repository
from harness.sources.hub.sae import fetch_sae

D_IN, D_SAE = 16, 96
PAIRS, GSM8K, MMLU, TRUTHFUL = (
    "princeton-nlp/llama3-ultrafeedback-armorm",
    "openai/gsm8k",
    "cais/mmlu",
    "truthfulqa/truthful_qa",
)
SCOPE = "google/gemma-scope-2b-pt-res"
PROFILE = """
extends = "gemma-2-2b"
name = "from-a-hub"
title = "A tiny model"
note = "A tiny model's numbers say nothing."

[model]
id = "org/tiny"
dtype = "float32"

[evaluation.tasks.mmlu]
subjects = ["astronomy", "virology"]
"""


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    datasets.Dataset.from_list(rows).to_parquet(stream)
    return stream.getvalue()


def dataset(splits: dict[tuple[str, str], list[dict[str, Any]]], licence: str | None) -> Repo:
    """A dataset repository as `push_to_hub` lays it out; without a licence its card declares nothing."""
    configs: dict[str, list[dict[str, str]]] = {}
    files: dict[str, bytes] = {}
    for (config, split), rows in splits.items():
        folder = "data" if config == "default" else config
        files[f"{folder}/{split}-00000-of-00001.parquet"] = parquet(rows)
        configs.setdefault(config, []).append({"split": split, "path": f"{folder}/{split}-*"})
    card: dict[str, Any] = {}
    if licence:
        card["license"] = licence
        card["configs"] = [{"config_name": k, "data_files": v} for k, v in configs.items()]
        files["extra.bin"] = b"never wanted"
    files["README.md"] = f"---\n{json.dumps(card)}\n---\nwords\n".encode()
    repo = Repo("dataset")
    repo.push(files)
    return repo


def conversation(i: int) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"Q{i}"}]
    answers = {
        side: [*turns, {"role": "assistant", "content": f"{side} {i}"}] for side in ("chosen", "rejected")
    }
    return {"prompt": f"Q{i}", **answers, "all_rm_scores": [0.5]}


def gemma_scope(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a GemmaScope `params.npz`."""
    draw = np.random.default_rng(seed)
    shapes = {"W_enc": (D_IN, D_SAE), "W_dec": (D_SAE, D_IN), "b_enc": (D_SAE,), "b_dec": (D_IN,)}
    arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return {**arrays, "threshold": draw.uniform(0.1, 2.0, D_SAE).astype(np.float32)}


@pytest.fixture
def world(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's repositories, and a profile that names them; its path."""
    folder = tmp_path / "tiny"
    toys.model().save_pretrained(folder)
    toys.tokenizer().save_pretrained(folder)
    hub.repos["org/tiny"] = Repo("model", gated=True)
    hub.repos["org/tiny"].push({path.name: path.read_bytes() for path in folder.iterdir()})
    stream = io.BytesIO()
    np.savez(stream, **gemma_scope())
    hub.repos[SCOPE] = Repo("model")
    hub.repos[SCOPE].push(
        {"layer_12/width_65k/average_l0_21/params.npz": stream.getvalue(), "README.md": b"x"}
    )
    pairs = {
        ("default", split): [conversation(i) for i in range(n)] for split, n in (("train", 3), ("test", 2))
    }
    hub.repos[PAIRS] = dataset(pairs, None)
    sums = [{"question": f"1+{i}?", "answer": f"#### {1 + i}"} for i in (1, 2, 3, 4, 5)]  # five are shown
    hub.repos[GSM8K] = dataset(
        {("main", "train"): sums, ("main", "test"): sums, ("socratic", "test"): sums}, "mit"
    )
    choice = {"question": "Which?", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": 2}
    subjects = ("astronomy", "virology", "prehistory")
    hub.repos[MMLU] = dataset(
        {(subject, split): [choice] * 5 for subject in subjects for split in ("dev", "test")}, "mit"
    )
    targets = {"choices": ["yes", "no"], "labels": [1, 0]}
    truths = [{"question": "Is it?", "mc1_targets": targets, "mc2_targets": targets}]
    hub.repos[TRUTHFUL] = dataset({("multiple_choice", "validation"): truths}, "apache-2.0")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    # The directory's entry has the real widths; the file of this test has its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sae_lens.saes import sae
    monkeypatch.setattr(sae, "get_config_overrides", lambda *_: {"d_in": D_IN, "d_sae": D_SAE})
    path = tmp_path / "from-a-hub.toml"
    path.write_text(PROFILE)
    return path


def command(profile: Path, tmp_path: Path, *more: str) -> list[str]:
    return ["prepare", "--profile", str(profile), "--run-dir", str(tmp_path / "run"), *more]


def test_prepare_pins_fetches_and_then_needs_no_connection(
    world: Path, hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(command(world, tmp_path)) == 0
    lock = json.loads(world.with_suffix(".lock.json").read_text())["repositories"]
    assert sorted(lock) == sorted(hub.repos)
    for name, repo in hub.repos.items():
        assert lock[name]["commit"] == repo.branches["main"]
    assert not [path for path in hub.requests if "extra.bin" in path or "prehistory" in path]
    hub.requests.clear()
    first = (tmp_path / "run/prepare.json").read_bytes()
    assert main(command(world, tmp_path)) == 0
    assert (tmp_path / "run/prepare.json").read_bytes() == first
    assert "reused" in capfd.readouterr().err
    (tmp_path / "run/prepare.json").unlink()
    assert main(command(world, tmp_path)) == 0
    assert hub.requests == []
    made, again = json.loads(first), json.loads((tmp_path / "run/prepare.json").read_text())
    assert again["result"] == made["result"]
    assert again["key"] == made["key"]
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_the_rows_are_a_data_root(world: Path, hub: Hub, tmp_path: Path) -> None:
    assert main(command(world, tmp_path)) == 0
    root = tmp_path / "run/assets/data"
    manifest = read_manifest(root)
    assert sorted(manifest) == sorted(
        [f"{PAIRS}/default/{split}.jsonl" for split in ("train", "test")]
        + [f"{GSM8K}/main/{split}.jsonl" for split in ("train", "test")]
        + [f"{MMLU}/{s}/{split}.jsonl" for s in ("astronomy", "virology") for split in ("dev", "test")]
        + [f"{TRUTHFUL}/multiple_choice/validation.jsonl"]
    )
    read_files(root, manifest)
    train = manifest[f"{PAIRS}/default/train.jsonl"]
    commit = hub.repos[PAIRS].branches["main"]
    assert (train.rows, train.source) == (3, f"{PAIRS} at {commit}, default/train")
    assert train.licence == "not stated on the repository's card"
    assert manifest[f"{TRUTHFUL}/multiple_choice/validation.jsonl"].licence == "apache-2.0"
    row = json.loads((root / f"{PAIRS}/default/test.jsonl").read_text().splitlines()[1])
    turn = {"role": "assistant", "content": "chosen 1"}
    assert (row["prompt"], row["chosen"]) == ([{"role": "user", "content": "Q1"}], [turn])


def test_a_gemma_scope_file_goes_through_sae_lens(world: Path, tmp_path: Path) -> None:
    """params.npz with W_enc, W_dec, b_enc, b_dec, threshold becomes the SAE that these arrays define."""
    assert main(command(world, tmp_path)) == 0
    sae = Sae.from_folder(tmp_path / "run/assets/sae")
    arrays = {name: torch.from_numpy(array) for name, array in gemma_scope().items()}
    for name, array in arrays.items():
        assert torch.equal(getattr(sae, name), array), name
    assert sae.hook_name == "blocks.12.hook_resid_post"
    assert not sae.apply_b_dec_to_input
    x = torch.randn(7, D_IN, generator=torch.Generator().manual_seed(1))
    z = x @ arrays["W_enc"] + arrays["b_enc"]
    f = torch.where(z > arrays["threshold"], z, 0.0)
    assert ((z > 0) & (f == 0)).any(), "somewhere the threshold, and not the ReLU, makes the difference"
    assert torch.allclose(sae.encode(x), f, atol=1e-6)
    assert torch.allclose(sae.decode(f), f @ arrays["W_dec"] + arrays["b_dec"], atol=1e-6)


def test_a_gemma_scope_file_of_the_true_shape(hub: Hub, tmp_path: Path) -> None:
    """16k features of Gemma-2-2B, nothing of sae-lens replaced: its directory, its loader, its shapes."""
    section = SaeSection(
        source="release", layer=12, release="gemma-scope-2b-pt-res", sae_id="layer_12/width_16k/average_l0_22"
    )
    shapes = {"W_enc": (2304, 16384), "W_dec": (16384, 2304), "b_enc": (16384,), "b_dec": (2304,)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays["threshold"] = np.full(16384, 0.5, np.float32)
    for i in range(2304):
        arrays["W_enc"][i, 7 * i], arrays["W_dec"][7 * i, i] = 1.0, 2.0
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    hub.repos[SCOPE] = Repo("model")
    commit = hub.repos[SCOPE].push({f"{section.sae_id}/params.npz": stream.getvalue()})
    made = fetch_sae(section, Repository(SCOPE, "main", "model", "revisions"), commit, tmp_path / "lock.json")
    assert made.facts["d_sae"] == 16384
    sae = Sae.from_folder(made.folder)
    x = torch.randn(3, 2304, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sae.decode(sae.encode(x)), 2 * torch.where(x > 0.5, x, 0.0))


def test_without_the_token_all_that_is_missing_is_said(
    world: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    hub.repos[PAIRS].gated = True
    assert main(command(world, tmp_path)) == UnavailableError.exit_code
    said = capsys.readouterr().err
    for wanted in ("https://huggingface.co/org/tiny", f"https://huggingface.co/datasets/{PAIRS}", "HF_TOKEN"):
        assert wanted in said
    assert not world.with_suffix(".lock.json").exists()


def test_a_moved_evaluation_set_is_an_error(
    world: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command(world, tmp_path)) == 0
    old = hub.repos[GSM8K].branches["main"]
    sums = [{"question": "2+2?", "answer": "#### 5"}]
    hub.repos[GSM8K].push(dataset({("main", s): sums for s in ("train", "test")}, "mit").commits.popitem()[1])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "another machine"))
    other = [*command(world, tmp_path)[:-1], str(tmp_path / "second run")]
    assert main(other) == ProfileError.exit_code
    said = capsys.readouterr().err
    assert f'revisions."{GSM8K}" = "{old}"' in said
    world.write_text(PROFILE + f'\n[revisions]\n"{GSM8K}" = "{old}"\n')
    assert main(other) == 0


def test_an_exported_data_root_serves_a_machine_without_a_hub(
    world: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")  # the rows are not gated, and the model is not asked for
    out = tmp_path / "root"
    assert main(command(world, tmp_path, "--export", str(out))) == 0
    assert "org/tiny" not in world.with_suffix(".lock.json").read_text()
    assert not (tmp_path / "run/prepare.json").exists()
    hub.requests.clear()
    local = tmp_path / "local.toml"
    local.write_text(
        'extends = "from-a-hub.toml"\nname = "local"\ntitle = "The rows elsewhere"\nnote = "Rows only."\n'
        '[model]\nsource = "bundle"\nid = "miniature"\n'
        '[sae]\nsource = "bundle"\nlayer = 3\n[data]\nsource = "data_root"\n'
        '[evaluation]\nsource = "data_root"\n'
    )
    assert (
        main(["prepare", "--profile", str(local), "--run-dir", str(tmp_path / "b"), "--data-root", str(out)])
        == 0
    )
    assert hub.requests == []
    result = json.loads((tmp_path / "b/prepare.json").read_text())["result"]
    assert {k.removeprefix("data/") for k in result["files"] if k.startswith("data/")} == set(
        read_manifest(out)
    )


def test_the_profiles_layout_is_that_of_lm_evals_own_tasks() -> None:
    """The repositories from which rows are fetched are those that lm-eval's task files name."""
    import yaml

    from harness.evaluation.tasks import lm_eval_tasks
    from harness.sources.layout import evaluation_files, evaluation_repositories

    profile = load_profile("gemma-2-2b")
    assert evaluation_repositories(profile) == sorted([GSM8K, MMLU, TRUTHFUL])
    assert len(evaluation_files(profile, None)) == 2 * 57 + 2 + 1
    found = []
    for name in ("gsm8k/gsm8k.yaml", "mmlu/default/_default_template_yaml", "truthfulqa/truthfulqa_mc1.yaml"):
        text = (lm_eval_tasks() / name).read_text().replace("!function", "")
        task = yaml.safe_load(text)
        found.append((task["dataset_path"], task.get("dataset_name")))
    assert found == [(GSM8K, "main"), (MMLU, None), (TRUTHFUL, "multiple_choice")]
