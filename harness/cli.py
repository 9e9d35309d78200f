"""The command line: every command by its name; its module is imported once the command is used."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from harness import __version__
from harness.core.errors import UsageError
from harness.profiles.toml_file import profile_names

MODULE = "python -m harness"
SCRIPT = "fsrl-bench"
"""The installed name of the same command: shells complete a name, not `python -m`."""
COMMANDS = {
    "prepare": "Find or fetch model, SAE and rows; check every file; train the SAE where none is published.",
    "train": "Train each arm with SimPO on the preference pairs, under DeepSpeed ZeRO-1.",
    "evaluate": "Score each arm on the test pairs (SimPO) and with lm-eval (MMLU, TruthfulQA, GSM8K).",
    "analyse": "Compare the arms item by item: effects, intervals, p values.",
    "report": "Judge the paper's claims; render Table 1, costs, times, verdicts and the picture.",
    "check": "Run the sanity checks that every run must pass; print the verdict on each claim of the paper.",
    "study": "Study the trained arms: the paper's other tables and figures, one artefact each.",
    "sweep": "Train and score one adapter for each alpha and each layer that the profile sweeps (Figure 4).",
    "page": "Render the page: every table and figure of the run, with the paper's values.",
    "regress": "Compare a run with the committed results.",
    "prompts": "Compare a run with the committed prompts.",
    "search": "Choose each trained arm's learning rate on development pairs, never on test rows.",
    "seeds": "Run every stage for each training seed: means, standard deviations, tests over seeds.",
    "models": "Put the verdicts of several models side by side, from their committed results.",
    "parity": "Compare an arm's scores with lm-eval's own command line, item by item.",
    "compare-methods": "Compare every arm with the base: gain, damage and cost; a table, two figures.",
    "planted-truth": "Train FSRL on rewards with known weights: do the analyses recover them?",
    "classify": "Classify the SAE's features as alignment and style from their explanations (appendix E).",
    "plan": "Predict memory, time, disk and steps of a profile on a named GPU, from shapes alone.",
    "measure": "Measure memory and step time of training at a profile's shapes, with random weights.",
    "bench": "Print the last benchmark's ratios and compare them with the committed ones.",
}
STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check", "study")
FUNCTIONS = {name: f"commands.stage:{name}" for name in STAGES} | {
    "compare-methods": "commands.compare_methods:run",
    "planted-truth": "planted.session:planted_truth",
    "plan": "cost.show_plan:plan",
    "measure": "cost.measure:measure",
    "bench": "cost.bench:run",
}
"""Below `harness`; every other command is `run` in the module of `commands` that has its name."""
READS_UP_TO = {"regress": "check", "prompts": "analyse", "study": "analyse"}
"""The stage before which the results that a command reads must still fit the profile."""
RENAMED = {"commit": "save", "may-miss": "max-unanswered"}
"""Options by their old names, which still work and are not shown."""
NAMES = textwrap.fill(", ".join(profile_names()), 76, break_on_hyphens=False)
EPILOG = f"""\
Examples:

\b
  python -m harness prepare  --profile miniature
  python -m harness prepare  --profile gemma-2-2b --export DIR
  python -m harness train    --profile miniature --arm fsrl
  python -m harness evaluate --profile smollm2-135m --data-root DIR
  python -m harness report   --profile miniature

Stages run in the order prepare, train, evaluate, analyse, report, check; `nox -s reproduce-table1` runs them
all. A finished stage is not run again unless something that it depends on has changed.

\b
The bundled profiles:
{NAMES}

`fsrl-bench` is the same command by a name that bash and zsh complete: `fsrl-bench --install-completion`.
"""


class Command(TyperCommand):
    """A command whose help has a heading for each `rich_help_panel`, and defaults as `(default: ...)`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options below their headings."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            name, text = option.get_help_record(ctx) or ("", "")
            said, bracket, extra = text.rpartition("  [")
            rows = panels.setdefault(getattr(option, "rich_help_panel", None) or "Options", [])
            rows.append((name, f"{said} ({extra[:-1]})" if bracket else text))
        for heading, rows in panels.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class Later(TyperCommand):
    """A command whose module is imported once it is used: to list the commands needs none of them."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself."""
        from harness.stages.options import command_of

        module, _, name = FUNCTIONS.get(info_name, f"commands.{info_name}:run").partition(":")
        function = getattr(import_module(f"harness.{module}"), name)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        told = re.split(r"\n\n(?:Args|Returns|Raises):", inspect.getdoc(function) or "")[0]
        app.command(info_name, cls=Command, help=f"{COMMANDS[info_name]}\n\n{told}")(
            command_of(function, READS_UP_TO.get(info_name, ""))
        )
        return get_command(app).make_context(info_name, args, parent, **extra)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name (None: those of the process); the exit code.

    Raises:
        UsageError: no such command or option, or a value that it does not take.
        HarnessError: whatever the command refuses.
    """
    program = SCRIPT if Path(sys.argv[0]).name == SCRIPT else MODULE
    try:
        return commands(program).main(arguments, prog_name=program, standalone_mode=False) or 0
    except typer.TyperException as error:
        raise _refused(error) from error


def commands(program: str) -> TyperGroup:
    """All commands; the options that install completion only where the program has a name."""
    top = typer.Typer(
        help="Run one stage of a reproduction, or one of the commands around them.",
        epilog=EPILOG,
        rich_markup_mode=None,
        add_completion=program == SCRIPT,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "token_normalize_func": lambda name: RENAMED.get(name, name),
        },
    )
    top.callback()(_top)
    group = cast(TyperGroup, get_command(top))
    for name, summary in COMMANDS.items():
        group.add_command(Later(name, short_help=summary))
    return group


def _version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        print(f"{context.find_root().info_name} {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None: ...


def _refused(error: typer.TyperException) -> UsageError:
    """Typer's error in the words of the harness."""
    close, context = getattr(error, "possibilities", None), getattr(error, "ctx", None)
    said = f"{error.message}; did you mean {' or '.join(close)}?" if close else error.format_message()
    where = context.command_path if context else MODULE
    return UsageError(said.replace("Value error, ", ""), remedy=f"`{where} --help` says what there is")
