"""The planted truth on the real pipeline, small: three real trainings, their studies, the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_toys import Bench

from harness.planted.result import PlantedResult
from harness.planted.rule import LABELS

PROFILE = """\
extends = "miniature"
name = "tiny-planted"
[data]
train_pairs = 96
test_pairs = 12
[training]
pairs_per_device = 4
accumulation = 1
minimum_moved = 0.05
[studies.table2]
resamples = 200
"""


@pytest.mark.slow
def test_the_session_from_the_command_line(tmp_path: Path) -> None:
    profile = tmp_path / "tiny.toml"
    profile.write_text(PROFILE)
    bench = Bench(profile, tmp_path / "run")
    assert "the tables wait for" in bench.do("planted-truth", "--reward", "mixed")
    said = bench.do("planted-truth")
    assert said.count("train fsrl: reused") == 1
    folder = bench.run / "planted-truth"
    result = PlantedResult.model_validate_json((folder / "planted-truth.json").read_bytes())
    assert {trial.reward for trial in result.trials} == set(LABELS)
    assert len({trial.loss.value for trial in result.trials}) == 3, "three rewards, three adapters"
    assert len({reward.files["preferences/miniature/train.jsonl"] for reward in result.rewards.values()}) == 3
    assert result.inputs.keys() == {"model", "sae"}
    for table in result.confusion.values():
        assert [sum(row.values()) for row in table.values()] == [1, 1, 1]
    for trial in result.trials:
        assert trial.mean_l0 > 0
        assert trial.loss.n == 12
        assert trial.masked["style"] > 0
    first = (folder / "planted-truth.svg").read_bytes()
    again = bench.do("planted-truth")
    assert again.count("train fsrl: reused") == 3
    assert (folder / "planted-truth.svg").read_bytes() == first
