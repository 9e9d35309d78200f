"""The planted truth on the real pipeline, small: eight trainings, their audit and studies, the tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_toys import Bench

from harness.findings.controls import RIGHT
from harness.findings.reading import LABELS
from harness.planted.result import PlantedResult
from harness.planted.reward import REWARDS
from harness.planted.rule import NOTHING, learned

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
threads = 1
[evaluation]
threads = 1
[studies.table2]
resamples = 200
[studies.audit]
resamples = 200
[studies.controls]
pairs = 6
resamples = 50
"""
TRAIN = "preferences/miniature/train.jsonl"


@pytest.mark.slow
def test_the_session_from_the_command_line(tmp_path: Path) -> None:
    """Four rewards by two trained arms; `--train-pairs` takes the place of the profile's."""
    profile = tmp_path / "tiny.toml"
    profile.write_text(PROFILE)
    bench = Bench(profile, tmp_path / "run")
    few = ("--train-pairs", "64")
    assert "the tables wait for the rewards" in bench.do("planted-truth", *few, "--reward", "mixed")
    said = bench.do("planted-truth", *few)
    assert said.count("train fsrl: reused") == said.count("train full-simpo: reused") == 1
    folder = bench.run / "planted-truth"
    result = PlantedResult.model_validate_json((folder / "planted-truth.json").read_bytes())
    found = {(trial.reward, trial.arm): trial for trial in result.trials}
    assert set(found) == {(reward, arm) for reward in REWARDS for arm in ("full-simpo", "fsrl")}
    assert len({trial.loss.value for trial in result.trials}) == 8, "four rewards, two arms"
    assert len({reward.files[TRAIN] for reward in result.rewards.values()}) == 4
    assert {reward.pairs for reward in result.rewards.values()} == {result.train_pairs} == {64}
    assert result.command.endswith("--train-pairs 64")
    assert result.inputs.keys() == {"model", "sae"}
    _counts_add_up(result)
    for (reward, arm), trial in found.items():
        assert trial.learned == learned(trial.audit)
        assert trial.loss.n == 12
        assert (trial.mean_l0 is None) == (arm == "full-simpo")
        assert (trial.seen is None) == (arm == "full-simpo" or reward == NOTHING)
        assert trial.seen is None or trial.seen.masked["style"] > 0
    assert [(one.kind, one.draw) for one in result.controls.controls] == [(kind, 0) for kind in RIGHT]
    first = (folder / "planted-truth.svg").read_bytes()
    again = bench.do("planted-truth", *few)
    assert again.count("train fsrl: reused") == 4
    assert (folder / "planted-truth.svg").read_bytes() == first


def _counts_add_up(result: PlantedResult) -> None:
    for table in result.learned.values():
        assert [sum(row.values()) for row in table.values()] == [1, 1, 1, 1]
    for name, table in result.seen.items():
        assert sum(sum(row.values()) for row in table.values()) == 3
        assert [sum(row.values()) for row in result.recovered[name].values()] == [1] * len(LABELS)
