"""No secret in anything that a run leaves or prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_toys import TOKEN, Bench, files_with, plugin, tiny_profile

from harness.core.errors import TrainingError, UnavailableError

pytestmark = pytest.mark.faults


def test_a_token_of_the_environment_is_in_no_file_of_a_run(whole: Bench) -> None:
    """`Bench` plants the token in the environment and looks for it in everything that is printed."""
    assert whole.environment["HF_TOKEN"] == TOKEN
    assert (whole.run / "fsrl" / "evaluate.json").is_file()
    assert files_with(TOKEN, whole.run) == []
    (whole.run / "planted.log").write_text(f"a line with {TOKEN}\n")
    assert files_with(TOKEN, whole.run) == [whole.run / "planted.log"], "the search finds what is there"
    (whole.run / "planted.log").unlink()


def test_a_token_is_not_in_the_log_of_a_training_that_fails(tmp_path: Path) -> None:
    broken = ('module = "baselines.full_simpo"', 'module = "broken_arm"')
    site = plugin(tmp_path / "site", "raise RuntimeError('the arm has a bug')")
    bench = Bench(tiny_profile(tmp_path, broken), tmp_path / "run", extra=site)
    bench.do("prepare")
    bench.do("train", "--arm", "full-simpo", code=TrainingError.exit_code)
    assert "the arm has a bug" in (bench.run / "full-simpo" / "train.log").read_text()
    assert files_with(TOKEN, bench.run) == []


def test_a_token_is_not_in_the_refusal_of_the_hub(tmp_path: Path) -> None:
    bench = Bench(Path("gemma-2-2b"), tmp_path / "run")
    said = bench.do("prepare", code=UnavailableError.exit_code)
    assert "HF_TOKEN" in said, "the variable is named, its value is not"
