"""`measure` on divided shapes: the real launcher, engine and meters, on random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import ProfileError, UsageError
from harness.core.paths import RunPaths
from harness.cost import measure
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.sources.synthetic.variant import random_variant
from harness.stages.stage import run_stage

SHRINK = 16


@pytest.fixture
def small() -> Profile:
    """The paper's profile with few pairs a step and the optimiser where the weights are."""
    data = load_profile("gemma-2-2b").resolved()
    data["training"] |= {"accumulation": 2, "offload_optimizer": False}
    return parse_profile(data, where="a test")


def test_without_steps_there_is_nothing_to_measure(small: Profile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both be at least 1"):
        measure.run(small, steps=0, warmup=1, shrink=SHRINK, run_dir=tmp_path, results=tmp_path)


def test_a_profile_without_a_trained_arm_is_refused(tmp_path: Path) -> None:
    leaderboard = load_profile("gemma-2-2b-leaderboard")
    with pytest.raises(ProfileError, match="no arm that trains"):
        measure.run(leaderboard, steps=1, warmup=1, shrink=8, run_dir=tmp_path, results=tmp_path)


def test_the_papers_structure_trains_and_is_scored_on_random_weights(
    small: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = measure.run(
        small, steps=2, warmup=1, shrink=SHRINK, run_dir=tmp_path / "run", results=tmp_path / "results"
    )
    found = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    assert found["random_weights"] is True
    assert folder.parent.name == "gemma-2-2b-random-div16"
    # 4096 x 144 weights and 4096 biases; two blocks of the divided model.
    assert found["arms"]["fsrl"]["trainable_parameters"] == 4096 * 145
    assert all(cost["tokens_per_s"] > 0 for cost in found["arms"].values())
    assert "RANDOM WEIGHTS" in (folder / "measured.md").read_text(encoding="utf-8")

    variant = random_variant(small, shrink=SHRINK, pairs=12)
    paths = RunPaths.of(variant.name, tmp_path / "run", None)
    for stage in ("train", "evaluate", "analyse", "report", "check"):
        run_stage(stage, variant, paths)
    assert json.loads((paths.report / "table1.json").read_text(encoding="utf-8"))["random_weights"] is True
    assert "RANDOM WEIGHTS" in (paths.report / "table1.md").read_text(encoding="utf-8")
