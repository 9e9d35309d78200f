"""A terminal that takes ASCII only: what it lacks is replaced, and every file is written all the same."""

from __future__ import annotations

import io
import sys

import pytest
from report_toys import Run

from harness import cli
from harness.__main__ import main
from harness.core.console import screen_console
from harness.stages.stage import run_stage


def ascii_screen(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What a standard output that takes ASCII only is given."""
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="ascii", errors="strict"))
    return screen


def test_any_command_replaces_what_the_terminal_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command(_arguments: object) -> int:
        screen_console().print("4.7 ±0.2 ↓")
        print("R² \udcff")
        return 0

    monkeypatch.setattr(cli, "run", command)
    screen = ascii_screen(monkeypatch)
    assert main([]) == 0
    sys.stdout.flush()
    assert screen.getvalue() == b"4.7 ?0.2 ?\nR? ?\n"


def test_a_pipe_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_screen(monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    assert screen_console().width == 60
    monkeypatch.delenv("COLUMNS")
    assert screen_console().width == 140


@pytest.mark.parametrize("stage", ["report", "check"])
def test_a_stage_shows_its_tables_and_leaves_its_artefact(
    made_run: Run, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def command(_arguments: object) -> int:
        run_stage("report", made_run.analysed().profile, made_run.paths)
        run_stage(stage, made_run.profile, made_run.paths)
        return 0

    monkeypatch.setattr(cli, "run", command)
    screen = ascii_screen(monkeypatch)
    assert main([]) == 0
    sys.stdout.flush()
    assert b"Table 1." in screen.getvalue()
    assert made_run.paths.stage(stage).is_file()
    assert "±" in (made_run.paths.report / "table1.md").read_text(encoding="utf-8")
