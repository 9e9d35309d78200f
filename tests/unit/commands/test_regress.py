"""`regress`: what it accepts, what it refuses to compare, and what it raises."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from report_toys import Run

from harness.commands.regress import _nearest, run
from harness.core.artefact import digest_file, read_artefact, write_artefact, write_json
from harness.core.errors import DamagedFileError, MissingInputError, NotComparableError, RegressionError
from harness.findings.outcome import SCHEMA_VERSION

FOLDER = Path("miniature") / "cpu-x86_64-2c"


@pytest.fixture
def results(reported: Run, tmp_path: Path) -> Path:
    """Its results, accepted."""
    folder = tmp_path / "results"
    run(reported.profile, reported.paths, True, folder)
    return folder


def edit(path: Path, **fields: Any) -> None:
    """Change fields of a JSON file, by dotted path."""
    data = json.loads(path.read_text())
    for dotted, value in fields.items():
        *parents, last = dotted.split("/")
        node = data
        for part in parents:
            node = node[part]
        node[last] = value
    write_json(path, data)


def test_the_same_run_passes(reported: Run, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(reported.profile, reported.paths, False, results)
    counted = capsys.readouterr().out.split()
    assert counted[0] == counted[2], "every quantity is equal"
    assert int(counted[0]) > 100


def test_update_copies_the_whole_report(reported: Run, results: Path) -> None:
    for path in reported.paths.report.iterdir():
        assert (results / FOLDER / path.name).read_bytes() == path.read_bytes()


def test_nothing_committed_is_refused_with_the_remedy(reported: Run, tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match="--update"):
        run(reported.profile, reported.paths, False, tmp_path / "none")


def test_the_hardware_classes_that_are_committed_are_named(reported: Run, results: Path) -> None:
    (results / FOLDER).rename(results / "miniature" / "nvidia-h200-x1")
    with pytest.raises(NotComparableError, match="nvidia-h200-x1"):
        run(reported.profile, reported.paths, False, results)


def as_of(results: Path, hardware: str, **fields: Any) -> Path:
    """The committed results as those of another hardware class."""
    folder = (results / FOLDER).rename(results / "miniature" / hardware)
    edit(folder / "table1.json", hardware=hardware, **fields)
    return folder


def test_another_number_of_cores_compares_all_but_the_costs(
    reported: Run, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = as_of(results, "cpu-x86_64-8c", **{"arms/fsrl/training_usage/wall_s": 0.5})
    write_labels(folder / "verdicts.csv", {"epoch-less": "opposite direction (this model)"})
    capsys.readouterr()
    run(reported.profile, reported.paths, False, results)
    shown = " ".join(capsys.readouterr().out.split())
    assert "miniature on cpu-x86_64-2c against the committed results of cpu-x86_64-8c" in shown
    assert "not compared: other hardware; this is cpu-x86_64-2c, the nearest committed class is" in shown
    assert "verdicts not compared: other hardware: memory-less, epoch-less" in shown
    edit(folder / "table1.json", **{"arms/fsrl/scores/mmlu.acc/value": 0.9})
    with pytest.raises(RegressionError, match=r"1 of \d+ values are out of tolerance") as failure:
        run(reported.profile, reported.paths, False, results)
    assert "fsrl: mmlu.acc: left standard_errors" in str(failure.value)


def test_costs_compare_within_one_class(reported: Run, results: Path) -> None:
    edit(results / FOLDER / "table1.json", **{"arms/fsrl/training_usage/wall_s": 0.5})
    with pytest.raises(RegressionError, match="fsrl: training, seconds"):
        run(reported.profile, reported.paths, False, results)


@pytest.mark.parametrize(
    ("here", "committed", "nearest"),
    [
        ("cpu-x86_64-8c", ["cpu-x86_64-2c", "cpu-x86_64-64c"], "cpu-x86_64-2c"),
        ("cpu-x86_64-48c", ["cpu-x86_64-2c", "cpu-x86_64-64c"], "cpu-x86_64-64c"),
        ("cpu-x86_64-2c", ["cpu-aarch64-2c", "cpu-x86_64-64c"], "cpu-x86_64-64c"),
        ("cpu-x86_64-2c", ["nvidia-h200-x1"], "cpu-x86_64-2c"),
        ("nvidia-h100-x1", ["cpu-x86_64-2c", "nvidia-h200-x1"], "nvidia-h200-x1"),
        ("nvidia-h100-x1", ["nvidia-h100-x8", "nvidia-h200-x1"], "nvidia-h100-x8"),
        ("of-somebody", ["nvidia-h200-x1"], "nvidia-h200-x1"),
    ],
)
def test_the_nearest_committed_class(tmp_path: Path, here: str, committed: list[str], nearest: str) -> None:
    for name in committed:
        (tmp_path / name).mkdir()
        (tmp_path / name / "table1.json").write_text("{}")
    assert _nearest(tmp_path / here).name == nearest


def test_without_a_report_the_command_is_named(made_run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="python -m harness report"):
        run(made_run.profile, made_run.paths, False, tmp_path)


def test_results_that_report_did_not_write_are_refused(reported: Run, results: Path) -> None:
    edit(reported.paths.report / "table1.json", seed=7)
    with pytest.raises(DamagedFileError, match="has changed since"):
        run(reported.profile, reported.paths, False, results)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no name is folded."""
    monkeypatch.setenv("COLUMNS", "200")


def test_a_regression_is_shown_and_raised(
    reported: Run, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(results / FOLDER / "table1.json", **{"arms/fsrl/scores/mmlu.acc/value": 0.9})
    capsys.readouterr()
    with pytest.raises(RegressionError, match=r"1 of \d+ values are out of tolerance") as failure:
        run(reported.profile, reported.paths, False, results)
    assert "fsrl: mmlu.acc: left standard_errors 1 or items 1" in str(failure.value)
    assert "fsrl: mmlu.acc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"schema_version": 99}, f"schema version: committed 99, here {SCHEMA_VERSION}"),
        ({"profile_digest": "f" * 64}, "profile digest"),
        ({"protocol": "leaderboard"}, "protocol: committed leaderboard, here paper"),
        ({"hardware": "cpu-x86_64-8c"}, "hardware class"),
        ({"dtype": "bfloat16"}, "dtype: committed bfloat16, here float32"),
        ({"versions/torch": "1.13.1"}, "major version of torch: committed 1, here 2"),
        ({"versions/lm-eval": "0.3.13"}, "major version of lm-eval: committed 0.3, here 0.4"),
        ({"versions/trl": "1.16.0"}, "major version of trl: committed 1, here None"),
    ],
)
def test_each_unlike_field_is_refused_and_named(
    reported: Run, results: Path, fields: dict[str, Any], seen: str
) -> None:
    edit(results / FOLDER / "table1.json", **fields)
    with pytest.raises(NotComparableError, match="must not be compared") as failure:
        run(reported.profile, reported.paths, False, results)
    assert seen in str(failure.value)
    assert str(failure.value).count("  - ") == 1, "only the field that differs is named"


def test_a_run_whose_report_was_made_again_is_compared_anew(reported: Run, results: Path) -> None:
    """The digest in report.json, not the file's age, says what `report` wrote."""
    path = reported.paths.report / "table1.json"
    edit(path, **{"arms/fsrl/scores/mmlu.acc/value": 0.9})
    stage = reported.paths.stage("report")
    artefact = read_artefact(stage, made_by="report")
    outputs = {**artefact.outputs, "report/table1.json": digest_file(path)}
    write_artefact(stage, artefact.model_copy(update={"outputs": outputs}))
    with pytest.raises(RegressionError):
        run(reported.profile, reported.paths, False, results)


def write_labels(path: Path, labels: dict[str, str]) -> None:
    """Other labels in a committed table of verdicts."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "verdict": labels.get(row["claim"], row["verdict"])} for row in rows)


def test_a_verdict_that_flips_is_a_regression(
    reported: Run, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though every quantity is equal."""
    write_labels(results / FOLDER / "verdicts.csv", {"loss-falls": "opposite direction (this model)"})
    with pytest.raises(RegressionError, match=r"1 of \d+ values are out of tolerance") as failure:
        run(reported.profile, reported.paths, False, results)
    assert "verdict on loss-falls: left exact" in str(failure.value)
    assert "same direction" in capsys.readouterr().out


def test_a_claim_whose_study_only_one_side_has_is_not_compared(
    reported: Run, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels(results / FOLDER / "verdicts.csv", {"layer-sweep": "same direction (this model)"})
    run(reported.profile, reported.paths, False, results)
    assert "only one side has the study: layer-sweep" in capsys.readouterr().out
    write_labels(results / FOLDER / "verdicts.csv", {"loss-falls": "not run"})
    with pytest.raises(RegressionError, match="verdict on loss-falls"):
        run(reported.profile, reported.paths, False, results)


def test_committed_verdicts_that_cannot_be_read(reported: Run, results: Path) -> None:
    (results / FOLDER / "verdicts.csv").write_text("claim,answer\nloss-falls,reproduced\n")
    with pytest.raises(DamagedFileError, match="page --profile miniature --committed"):
        run(reported.profile, reported.paths, False, results)
