"""Fitted arms through every stage, and the table of the methods: small, on the bundled miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.core.paths import RunPaths
from harness.profiles.profile import load_profile

PROFILE = """
extends = "miniature"
without = ["arms.full-simpo", "arms.fsrl", "evaluation.tasks.gsm8k", "studies", "assumed"]
name = "few-methods"
[data]
train_pairs = 24
test_pairs = 12
[fit]
held_back = 8
candidates = 4
[evaluation.tasks.mmlu]
subjects = ["astronomy"]
limit = 6
[evaluation.tasks.truthfulqa_mc2]
limit = 6
[arms.caa]
module = "baselines.diffmean"
title = "CAA"
rows = "last_token"
scale = "unit"
grid = [0.0, -6.0, 6.0]
[arms.prompting]
module = "baselines.prompting"
title = "Prompting"
instructions = ["Answer in short sentences.", "Do not flatter."]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A run whose arms are trained and evaluated."""
    folder = tmp_path_factory.mktemp("methods")
    path = folder / "few-methods.toml"
    path.write_text(PROFILE)
    words = ["--profile", str(path), "--run-dir", str(folder / "run")]
    for stage in ("prepare", "train", "evaluate"):
        assert main([stage, *words]) == 0
    return words, folder / "run"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_search_is_a_table_of_the_artefact(run: tuple[list[str], Path]) -> None:
    for arm, tried in (("caa", 3), ("prompting", 3)):
        found = read(run[1] / arm / "train.json")["result"]
        assert (found["fitted"], found["trained"], found["pairs"]) == (True, False, 16)
        assert len(found["search"]["tried"]) == tried
        assert found["facts"]["held_back_pairs"] == 8
        assert found["facts"]["fit_rows_sha256"] != found["facts"]["held_back_rows_sha256"]


def test_an_instruction_is_in_the_ids_and_not_in_the_rendered_prompts(run: tuple[list[str], Path]) -> None:
    base, asked = (read(run[1] / arm / "evaluate.json")["result"] for arm in ("base", "prompting"))
    words = read(run[1] / "prompting/train.json")["result"]["facts"]["instruction"]
    for task in ("mmlu", "truthfulqa_mc2"):
        one, other = base["requests"][task], asked["requests"][task]
        assert one["prompts_sha256"] == other["prompts_sha256"]
        assert (one["ids_sha256"] == other["ids_sha256"]) == (not words)
        assert other.get("instruction", "") == (f"{words}\n\n" if words else "")
        assert "instruction" not in one
        assert (other["bos_min"], other["bos_max"]) == (1, 1)


def test_the_comparison(run: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    words, root = run
    assert main(["compare-methods", *words, "--texts", "4"]) == 0
    found = read(root / "methods/methods.json")
    base, caa, prompting = found["rows"]
    assert [row["arm"] for row in found["rows"]] == ["base", "caa", "prompting"]
    assert base["gain"] is None
    assert base["kl"] is None
    assert found["texts"] == 8
    scored = {arm: read(root / arm / "evaluate.json")["result"]["preference"] for arm in ("base", "caa")}
    gain = scored["base"]["loss"]["value"] - scored["caa"]["loss"]["value"]
    assert caa["gain"]["effect"] == pytest.approx(gain, abs=1e-6)
    for row in (caa, prompting):
        still = row["setting"] == "no setting helped"
        assert (row["kl"]["value"] == 0) == still
        assert (row["gain"]["effect"] == 0) == still
        assert row["perplexity"] > 1
        assert (row["perplexity"] == base["perplexity"]) == still
        assert set(row["scores"]) == {"mmlu.acc", "truthfulqa_mc2.acc"}
        assert row["train_s"] > 0
        assert row["train_tokens"] > 0
    assert (caa["entries"], prompting["entries"]) == (192, 0)
    text = (root / "methods/methods.md").read_text()
    assert "Prompting" in text
    assert "pairs held back" in text
    for name in ("damage", "cost"):
        assert (root / f"methods/methods-{name}.svg").read_bytes().startswith(b"<?xml")


def test_a_second_comparison_measures_nothing_and_writes_the_same(
    run: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, root = run
    assert main(["compare-methods", *words, "--texts", "4"]) == 0
    before = {path.name: path.read_bytes() for path in (root / "methods").iterdir()}
    monkeypatch.setattr("harness.evaluation.score.load_ready", None)
    assert main(["compare-methods", *words, "--texts", "4"]) == 0
    assert {path.name: path.read_bytes() for path in (root / "methods").iterdir()} == before


def test_the_results_are_taken_over(run: tuple[list[str], Path], tmp_path: Path) -> None:
    from harness.commands.compare_methods import compare

    profile = load_profile(run[0][1])
    compare(profile, RunPaths(root=run[1]), texts=4, save=True, results=tmp_path)
    (folder,) = (tmp_path / "few-methods").iterdir()
    assert sorted(path.name for path in (folder / "methods").iterdir()) == [
        "methods-cost.png",
        "methods-cost.svg",
        "methods-damage.png",
        "methods-damage.svg",
        "methods.json",
        "methods.md",
    ]


def test_an_arm_that_was_not_evaluated_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-methods", "--run-dir", str(tmp_path)]) == 3
    assert "evaluate" in capsys.readouterr().err
