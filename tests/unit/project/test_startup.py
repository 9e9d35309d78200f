"""Start-up: the help in half a second, `report` and `check` in two, and no torch in any of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from report_toys import Run

HEAVY = ("torch", "transformers", "lm_eval", "sae_lens", "deepspeed", "trl", "datasets")
PROGRAM = """
import json, sys, time
from harness.__main__ import main
{}
code = main(sys.argv[2:])
loaded = sorted(set(json.loads(sys.argv[1])) & set(sys.modules))
print(json.dumps(dict(code=code, loaded=loaded, cpu_s=time.process_time())))
"""
MADE_BY_HAND = """
from pathlib import Path
from harness.commands import stage
from harness.stages import check
stage.refuse_stale = lambda *_: None  # the run is made by hand: its inputs are not those of the bundle,
check.snapshot_path = lambda _: Path("none")  # nor its prompts the committed ones
"""
TRIES = 3


def started(*arguments: str, tries: int = TRIES, before: str = "") -> tuple[float, list[str]]:
    """CPU seconds of the fastest try, on which load has little effect, and the heavy modules loaded."""
    fastest, loaded = float("inf"), []
    for _ in range(tries):
        command = [sys.executable, "-c", PROGRAM.format(before), json.dumps(HEAVY), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["code"] == 0, done.stderr
        fastest, loaded = min(fastest, found["cpu_s"]), found["loaded"]
    return fastest, loaded


@pytest.mark.parametrize("arguments", [("--help",), ("plan", "--help"), ("train", "--help")])
def test_the_help_takes_half_a_second(arguments: tuple[str, ...]) -> None:
    seconds, loaded = started(*arguments)
    assert not loaded
    assert seconds < 0.5


def test_report_and_check_take_two_seconds(made_run: Run) -> None:
    run = made_run.analysed()
    for stage in ("report", "check"):
        where = ("--profile", "miniature", "--run-dir", str(run.paths.root))
        seconds, loaded = started(stage, *where, tries=1, before=MADE_BY_HAND)
        assert not loaded
        assert seconds < 2.0, f"{stage} took {seconds:.2f} s of CPU time"
        assert run.paths.stage(stage).is_file()
