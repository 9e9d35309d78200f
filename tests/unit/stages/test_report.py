"""The stage `report`: what it writes, when it refuses, no torch, the same bytes twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from report_toys import Run, evaluated

from harness.core.artefact import digest_tree
from harness.core.errors import DamagedFileError, MissingInputError, NotComparableError
from harness.findings.outcome import SCHEMA_VERSION, Outcome, read_outcome
from harness.stages.stage import run_stage

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "table1.json",
    "items.json",
    "differences.svg",
    "differences.png",
    *(
        f"{name}.{suffix}"
        for name in ("table1", "cost", "times", "verdicts")
        for suffix in ("md", "csv", "tex")
    ),
}


def test_everything_is_written_printed_and_the_same_twice(
    made_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage("report", made_run.analysed().profile, made_run.paths)
    first = digest_tree(made_run.paths.report)
    assert set(first) == FILES
    printed = capsys.readouterr().out
    assert "Table 1." in printed
    assert "Costs." in printed
    made_run.paths.stage("report").unlink()
    run_stage("report", made_run.profile, made_run.paths)
    assert digest_tree(made_run.paths.report) == first
    assert capsys.readouterr().out == printed


def test_the_document_reads_back_as_it_was(reported: Run) -> None:
    path = reported.paths.report / "table1.json"
    assert read_outcome(path, made_by="report") == reported.outcome()
    assert list(read_outcome(path, made_by="report").arms) == list(reported.profile.arms)
    data = json.loads(path.read_text())
    assert data["schema_version"] == SCHEMA_VERSION
    assert data["profile_digest"] == reported.profile.digest()
    assert data["commits"] == ["0123456789abcdef0123456789abcdef01234567"]
    assert "first prompt of" not in path.read_text(), "prompts can hold others' text: digests only"


def test_a_finished_report_is_reused_until_something_changes(
    reported: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage("report", reported.profile, reported.paths)
    assert "reused" in capsys.readouterr().err
    (reported.paths.report / "cost.md").write_text("bent")
    run_stage("report", reported.profile, reported.paths)
    assert "running again (report/cost.md is missing or changed)" in capsys.readouterr().err


@pytest.mark.parametrize(("stage", "arm"), [("train", "fsrl"), ("evaluate", "full-simpo"), ("analyse", None)])
def test_a_missing_stage_is_named(reported: Run, stage: str, arm: str | None) -> None:
    reported.paths.stage(stage, arm).unlink()
    with pytest.raises(MissingInputError, match=f"python -m harness {stage} --profile miniature"):
        run_stage("report", reported.profile, reported.paths)


@pytest.mark.parametrize(
    ("unlike", "seen"),
    [
        (
            {"versions": {"torch": "2.12.0", "lm-eval": "0.4.13"}},
            "torch: train base 2.13.0, evaluate fsrl 2.12.0",
        ),
        ({"hardware": {"class": "nvidia-h200-x1", "device": "NVIDIA H200"}}, "hardware class"),
    ],
)
def test_arms_of_unlike_runs_are_not_put_into_one_table(
    reported: Run, unlike: dict[str, Any], seen: str
) -> None:
    files = reported.write_samples("fsrl")
    reported.put("evaluate", "fsrl", evaluated("fsrl"), files, **unlike)
    with pytest.raises(NotComparableError, match=seen):
        reported.outcome()


def test_several_commits_and_uncommitted_changes_are_kept(reported: Run) -> None:
    files = reported.write_samples("fsrl")
    reported.put("evaluate", "fsrl", evaluated("fsrl"), files, commit="f" * 40, dirty=True)
    outcome = reported.outcome()
    assert outcome.commits == ("0123456789abcdef0123456789abcdef01234567", "f" * 40)
    assert outcome.dirty


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: {**data, "schema_version": 99},
        lambda data: {**data, "order": ["base", "fsrl"]},
        lambda data: {k: v for k, v in data.items() if k != "protocol"},
        lambda data: {**data, "extra": 1},
        lambda data: [],
    ],
)
def test_a_damaged_document_is_refused(outcome: Outcome, tmp_path: Path, damage: Any) -> None:
    data = outcome.model_dump(mode="json")
    path = tmp_path / "table1.json"
    path.write_text(json.dumps(damage(data)))
    with pytest.raises(DamagedFileError):
        read_outcome(path, made_by="report")


def test_analyse_report_check_and_regress_never_import_torch() -> None:
    """In a process of its own; the work's lazy imports included."""
    code = (
        "import sys\n"
        "import harness.commands.regress, harness.stages.analyse, harness.stages.check\n"
        "import harness.stages.report\n"
        "import harness.report.differences_figure, harness.core.statistics as s\n"
        "s.holm([0.1]); s.deciding_n(1.0, 1.0, family=1); s.normal_interval(0.0, 1.0)\n"
        "s.paired_difference([1.0, 0.0], [0.0, 0.0], seed=0)\n"
        "import matplotlib.figure, matplotlib.backends.backend_agg, matplotlib.backends.backend_svg\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "False"]
