"""Two training seeds on the real pipeline, small: `--seeds` from the pairs to the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_toys import TOKEN, Bench, files_with, tiny_profile

ENOUGH = (
    ("train_pairs = 48", "train_pairs = 480"),
    ("test_pairs = 12", "test_pairs = 100"),
    ("pairs_per_device = 2", "pairs_per_device = 8"),
)
"""Pairs with which neither arm's loss is surely above the base's, as `check` asks."""
LIMIT_S = 1800
"""Four trainings and six evaluations, each a process of its own: two to three minutes on two free cores."""


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_two_seeds_from_the_command_line(tmp_path: Path) -> None:
    bench = Bench(tiny_profile(tmp_path, *ENOUGH), tmp_path / "run")
    said = bench.do("seeds", "--seeds", "1,2", limit_s=LIMIT_S)
    assert "2 training seeds an arm (1, 2)" in " ".join(said.split())
    result = json.loads((bench.run / "report" / "seeds.json").read_text())
    losses = result["values"]["fsrl"]["preference.loss"]
    assert losses[0] != losses[1], "another seed is another training"
    base = result["values"]["base"]["preference.loss"]
    assert base[0] == base[1], "the base does not train"
    spread = result["spreads"]["fsrl"]["preference.loss"]
    assert spread["mean"] == pytest.approx(sum(losses) / 2)
    assert spread["sd"] == pytest.approx(abs(losses[0] - losses[1]) / 2**0.5)
    assert result["differences"]["fsrl"]["preference.loss"]["seeds"] == 2
    for seed in (1, 2):
        trained = json.loads((bench.run / f"seed-{seed}" / "fsrl" / "train.json").read_text())
        assert trained["profile"]["training"]["seed"] == trained["provenance"]["seed"] == seed
    assert len(list(bench.run.glob("seed-*/report/*"))) > 10
    assert files_with(TOKEN, bench.run) == [], "no secret in any stage's files"
    again = bench.do("train", "--seeds", "1,2")
    assert again.count("reused") == 6, "three arms, two seeds"
