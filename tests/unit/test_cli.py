"""The command line: what it offers, refuses and completes, and that it starts lightly."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness import __version__
from harness.__main__ import INTERRUPTED, main
from harness.cli import COMMANDS, FUNCTIONS, SCRIPT, commands
from harness.core.errors import UsageError
from harness.core.paths import ROOT
from harness.profiles.toml_file import profile_names

HEAVY = ("torch", "transformers", "lm_eval", "sae_lens", "deepspeed", "trl", "datasets", "pandas")
WIDTH = 80
EVERY_HELP = """
import json, sys
from harness.__main__ import main
for command in json.loads(sys.argv[1]):
    assert main([command, "--help"]) == 0, command
print(sorted(set(json.loads(sys.argv[2])) & set(sys.modules)))
"""


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.delenv("HARNESS_DATA_ROOT", raising=False)


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main([*command, "--help"]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command line that cannot be is answered with: one title, a remedy, exit code 2."""
    assert main(arguments) == UsageError.exit_code == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err.startswith("invalid option: ")
    assert "remedy:" in shown.err
    return shown.err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_every_command_with_examples_and_profiles(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main([option]) == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{summary[:20]}", shown, re.M), name
    assert shown.index("Examples:") > shown.index("bench")
    assert all(name in shown for name in profile_names())
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"python -m harness {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """It says what the command does, fits a narrow terminal, and marks every default as one."""
    shown = help_of(capsys, command)
    words = " ".join(shown.split())
    assert COMMANDS[command] in words
    assert re.search(r"[Rr]eads|[Ww]rites|Compares|Builds", words)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert "[default" not in shown
    assert "--commit " not in shown
    assert "--may-miss" not in shown
    assert str(ROOT) not in shown
    assert not re.search(r"\n(Args|Returns|Raises):", shown)


def test_the_documented_defaults_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(help_of(capsys, "classify").split())
    for option, default in {"by": "endpoint", "batch": "32", "timeout": "60.0", "folds": "5"}.items():
        assert re.search(rf"--{option} (?:(?!--).)*\(default: {default}\)", words), option
    assert "(default: results/)" in help_of(capsys, "measure")
    assert "(default: gemma-2-2b)" in help_of(capsys, "plan")
    assert "(default: 1,2,3)" in help_of(capsys, "seeds")


def test_options_have_their_headings(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys, "classify")
    places = [shown.index(f"\n{heading}:\n") for heading in ("Options", "--by local", "--by nearest")]
    assert places == sorted(places)
    assert shown.index("--neighbours") > places[-1]


def test_no_help_imports_a_heavy_library() -> None:
    wanted = json.dumps(list(COMMANDS)), json.dumps(HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP, *wanted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_function_belongs_to_a_command() -> None:
    assert FUNCTIONS.keys() <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--profil", "miniature"), "No such option: --profil; did you mean --profile?"),
        (("classify", "--neighbors", "3"), "did you mean --neighbours?"),
        (("page", "--comitted"), "did you mean --committed?"),
        (("analyse", "--arm", "fsrl"), "No such option: --arm"),
        (("trian",), "No such command 'trian'. Did you mean 'train'"),
        ((), "Missing command"),
        (("train", "fsrl"), "unexpected extra argument"),
        (("train", "--profile"), "requires an argument"),
        (("sweep", "--axis", "beta"), "'beta' is not one of 'alpha', 'layer'"),
        (("measure", "--steps", "many"), "'--steps'"),
        (("page", "--committed", "--save"), "--committed, --save and --seeds exclude each other"),
        (("train", "--shrink", "2"), "--shrink 2"),
        (("train", "--shrink", "0"), "--shrink must be at least 1 (got 0)"),
        (("measure", "--warmup", "0"), "--steps and --warmup must both be at least 1 (got 20 and 0)"),
        (("seeds", "--seeds", "1"), "--seeds needs at least two different integers, for example 1,2,3"),
        (("train", "--seeds", "1,x"), "--seeds needs at least two different integers"),
        (("planted-truth", "--seeds", "1"), "--seeds needs at least two different integers"),
        (("planted-truth", "--reward", "fame"), "no such reward"),
        (("parity", "--limit", "gsm8k"), "TASK=N"),
        (("plan", "--gpu", "abacus"), "no such GPU"),
        (("classify", "--folds", "1"), "--folds must be at least 2 (got 1)"),
        (("classify", "--neighbours", "0"), "--neighbours must be at least 1 (got 0)"),
        (("classify", "--concurrency", "0"), "--concurrency must be at least 1 (got 0)"),
        (("classify", "--batch", "0"), "--batch must be at least 1 (got 0)"),
        (("classify", "--retries", "-1"), "--retries must be at least 0 (got -1)"),
        (("classify", "--max-unanswered", "-1"), "--max-unanswered must be at least 0 (got -1)"),
        (("classify", "--timeout", "0"), "--timeout must be at least 0.001 (got 0.0)"),
        *(
            (
                ("classify", "--prices", text),
                f"--prices needs two numbers from 0 up, such as 0.27,1.10 (got {text})",
            )
            for text in ("1", "1,2,3", "1,x", "-1,2", "1,inf", "nan,1")
        ),
        (("classify", "--timeout", "nan"), "--timeout must be at least 0.001 (got nan)"),
    ],
)
def test_a_command_line_that_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def parsed(command: str, *arguments: str) -> dict[str, Any]:
    """The values that a command would be called with."""
    group = commands("harness")
    with group.make_context("harness", [command, *arguments]) as top:
        name, found, rest = group.resolve_command(top, [*top._protected_args, *top.args])
        assert found is not None
        context: Any = found.make_context(name, rest, parent=top)
        return dict(context.params)


def test_a_value_with_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert "[bold]x[/bold]" in refused(capsys, "classify", "--by", "[bold]x[/bold]")
    assert "[/red]" in refused(capsys, "train", "--seeds", "[/red]")


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        *((name, ["--commit"], "save") for name in ("page", "seeds", "parity", "planted-truth")),
        ("classify", ["--may-miss", "3"], "max_unanswered"),
        ("classify", ["--may-miss=3"], "max_unanswered"),
    ],
)
def test_an_option_works_by_its_old_name(command: str, old: list[str], new: str) -> None:
    assert parsed(command, *old)[new] in (True, 3)


def test_prices_are_two_numbers() -> None:
    assert parsed("classify", "--prices", "0.27,1.10")["prices"] == (0.27, 1.10)
    assert parsed("classify")["prices"] is None


def test_the_data_root_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_ROOT", str(tmp_path))
    assert parsed("prepare")["data_root"] == tmp_path
    assert parsed("prepare", "--data-root", "rows")["data_root"] == Path("rows")
    monkeypatch.setenv("HARNESS_DATA_ROOT", "")
    assert parsed("prepare")["data_root"] is None


def test_an_interrupt_says_that_the_same_command_resumes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cost.show_plan.predicted", interrupt)
    assert main(["plan"]) == INTERRUPTED == 130
    shown = capsys.readouterr().err
    assert shown.strip() == ("interrupted; finished stages are kept. Run the same command again to resume.")


@pytest.fixture
def script(tmp_path: Path) -> dict[str, str]:
    """An environment in which the console script is installed as pyproject.toml declares it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"][SCRIPT].partition(":")
    file = tmp_path / "bin" / SCRIPT
    file.parent.mkdir()
    file.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    file.chmod(0o755)
    path = os.pathsep.join([str(file.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


def completed(script: dict[str, str], line: str) -> list[str]:
    """What bash offers at the end of a line, by the function that the script itself prints."""
    bash = f"""
eval "$({SCRIPT} --show-completion bash)"
COMP_WORDS=({line})
[[ "{line}" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_fsrl_bench_completion {SCRIPT}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", bash], env=script, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_profiles_and_choices(script: dict[str, str]) -> None:
    assert completed(script, f"{SCRIPT} pla") == ["planted-truth", "plan"]
    assert set(completed(script, f"{SCRIPT} ")) >= set(COMMANDS)
    assert completed(script, f"{SCRIPT} train --profile mini") == [
        name for name in profile_names() if name.startswith("mini")
    ]
    assert completed(script, f"{SCRIPT} classify --by ") == ["endpoint", "local", "nearest"]
    assert completed(script, f"{SCRIPT} plan --gpu a100") == ["a100", "a100-40gb"]
    assert "--arm" in completed(script, f"{SCRIPT} train --a")


def test_zsh_gets_a_completion_too(script: dict[str, str]) -> None:
    def said(instruction: str, line: str = "") -> str:
        shell = {"_FSRL_BENCH_COMPLETE": instruction, "_TYPER_COMPLETE_ARGS": line}
        return subprocess.run([SCRIPT], env=script | shell, capture_output=True, text=True, check=True).stdout

    assert said("source_zsh").strip().startswith(f"#compdef {SCRIPT}")
    assert "miniature-smoke" in said("complete_zsh", f"{SCRIPT} train --profile mini")
    assert "planted-truth" in said("complete_zsh", f"{SCRIPT} pla")


def test_without_a_name_there_is_nothing_to_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such option: --show-completion" in refused(capsys, "--show-completion", "bash")
