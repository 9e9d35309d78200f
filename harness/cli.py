"""The command line of `python -m harness`: a parser for each command, with what it reads and writes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from harness import __version__
from harness.commands import classify, page, sweep
from harness.commands.classify_options import add_arguments
from harness.core.paths import RESULTS
from harness.cost.gpus import GPUS
from harness.profiles.toml_file import profile_names
from harness.stages import study
from harness.stages.stage import STAGES, load_stage

SUMMARY = "`python -m harness STAGE --profile NAME`: run one stage of a reproduction."
COMPARISONS = {
    "regress": (
        "results",
        "Compares the run's table1.json with the committed one of this profile and hardware.",
    ),
    "prompts": (
        "prompts",
        "Compares the first prompt of each task and arm, templates, BOS counts and stop ids with "
        "results/<profile>/prompts.json.",
    ),
}
EXAMPLES = """\
examples:
  python -m harness prepare  --profile miniature
  python -m harness prepare  --profile gemma-2-2b --export DIR
  python -m harness train    --profile miniature --arm fsrl
  python -m harness evaluate --profile smollm2-135m --data-root DIR
  python -m harness report   --profile miniature

Stages run in the order prepare, train, evaluate, analyse, report, check; `nox -s reproduce-table1` runs
them all.
A finished stage is not run again unless something that it depends on has changed.
"""


def parser() -> argparse.ArgumentParser:
    """The command line; each stage's help says what it reads and writes."""
    top = argparse.ArgumentParser(
        prog="python -m harness",
        description=SUMMARY,
        epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name in STAGES:
        stage = load_stage(name)
        one = _add_stage(commands, name, stage)
        if name == "prepare":
            one.add_argument(
                "--export",
                type=Path,
                metavar="DIR",
                help="only write the profile's rows to DIR as a data root, for --data-root on a machine "
                "without a network; needs no model and no GPU",
            )
        one.add_argument(
            "--seeds",
            metavar="N,N,...",
            help="run the stage once for each training seed, below seed-N; report adds the table over seeds",
        )
        if stage.PER_ARM:
            one.add_argument("--arm", metavar="NAME", help="one arm of the profile (default: all of them)")
    _add_studies(commands)
    _add_sweep(commands)
    _add_page(commands)
    for name, (what, summary) in COMPARISONS.items():
        one = commands.add_parser(name, help=f"Compare a run with the committed {what}.", description=summary)
        _add_common(one)
        one.add_argument(
            "--update", action="store_true", help=f"accept this run's {what} as the committed ones"
        )
    _add_seeds(commands)
    _add_parity(commands)
    _add_planted(commands)
    _add_classify(commands)
    _add_plan(commands)
    _add_measure(commands)
    bench = commands.add_parser(
        "bench",
        help="Print the last benchmark's ratios and hold them against the committed ones.",
        description="Reads runs/bench/pytest-benchmark.json, which `nox -s bench` writes.",
    )
    bench.add_argument("--update", action="store_true", help="accept the ratios as the committed ones")
    return top


def _add_stage(commands: Any, name: str, stage: Any) -> argparse.ArgumentParser:
    """A command that says of its module what it does, reads and writes."""
    detail = f"{stage.SUMMARY}\n\nreads:  {stage.READS}\nwrites: {stage.WRITES}"
    one: argparse.ArgumentParser = commands.add_parser(
        name, help=stage.SUMMARY, description=detail, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_common(one)
    return one


def _add_seeds(commands: Any) -> None:
    one = commands.add_parser(
        "seeds",
        help="Run every stage for each training seed: means, standard deviations, tests over seeds.",
        description="Runs prepare to check once for each training seed, below seed-N of the run folder,\n"
        "then puts the seeds together: mean, standard deviation, and differences to the base tested\n"
        "with seeds as the unit (paired t test, Holm). What is finished is reused.\n\n"
        "reads:  what the stages read\n"
        "writes: seed-N/, a run folder each, and report/seeds.{json,md,tex}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(one)
    one.add_argument(
        "--seeds", default="1,2,3", metavar="N,N,...", help="training seeds, two or more (%(default)s)"
    )
    one.add_argument(
        "--commit", action="store_true", help="take the table over into results/<profile>/<hardware>/"
    )


def _add_planted(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = commands.add_parser(
        "planted-truth",
        help="Train FSRL on rewards of known weights and see whether the analyses recover them.",
        description="Ranks the miniature's pairs by a style-heavy, a mixed and a truth-heavy reward, trains\n"
        "the FSRL arm on each, and reads Table 2 and the causal ablation by rules that were written\n"
        "before (docs/decisions/0050-planted-truth.md): a confusion table, planted x recovered.\n\n"
        "reads:  the bundled miniature\n"
        "writes: planted-truth/planted-truth.{json,md,svg,png}, and planted-truth/<reward>/seed-N/,\n"
        "        a run folder each\n\n"
        "About two minutes a reward and seed on two cores; what is finished is reused.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument(
        "--profile",
        default="miniature",
        metavar="NAME",
        help="the miniature, or what extends it (%(default)s)",
    )
    one.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="where the run keeps its files (runs/<profile>)"
    )
    one.add_argument(
        "--seeds",
        metavar="N,N,...",
        help="train each reward once for each seed (default: the profile's seed)",
    )
    one.add_argument(
        "--reward",
        action="append",
        default=[],
        metavar="NAME",
        help="only make the trials of this reward; the tables wait for all (repeatable)",
    )
    one.add_argument("--commit", action="store_true", help="take the result over into results/")


def _add_parity(commands: Any) -> None:
    one = commands.add_parser(
        "parity",
        help="Hold the base arm's scores against lm-eval's own command line, item by item.",
        description="Scores a few items of each task twice, by this harness and by `python -m lm_eval run`,\n"
        "on the same model, rows and settings. Without shared prefixes every number must be the\n"
        "same to the last digit, with them up to rounding.\n\n"
        "reads:  what `prepare` found (it runs first)\n"
        "writes: report/lm-eval-parity.json: versions, commands, digests, items, largest difference",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(one)
    one.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="TASK=N",
        help="items of a task, of each subject where it has some "
        "(repeatable; default: 2 of mmlu and gsm8k, 10 of truthfulqa_mc2)",
    )
    one.add_argument("--commit", action="store_true", help="write the record into results/ too")


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser(
        "plan",
        help="Predict memory, time, disk and steps of a profile on a named GPU, from shapes alone.",
        description="Builds the model from its bundled configuration without storage, counts parameters,\n"
        "and predicts peak memory and time of each phase on a GPU, disk, and steps an epoch.\n"
        "Needs no weights, no network and no GPU.\nThe formulae are in docs/performance.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan.add_argument(
        "--profile",
        default="gemma-2-2b",
        metavar="NAME",
        help="a bundled profile or a .toml file (%(default)s)",
    )
    plan.add_argument("--gpu", default="h200", metavar="NAME", help=f"{', '.join(GPUS)} (%(default)s)")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON on stdout")


def _add_measure(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    measure = commands.add_parser(
        "measure",
        help="Measure memory and step time of training at a profile's shapes, with random weights.",
        description="Trains every arm that trains on random weights and synthetic pairs of the exact\n"
        "shapes, and writes peak memory and tokens/s to results/<profile>-random/<hardware>/.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    measure.add_argument("--profile", default="gemma-2-2b", metavar="NAME", help="(%(default)s)")
    measure.add_argument("--steps", type=int, default=20, help="optimiser steps measured (%(default)s)")
    measure.add_argument("--warmup", type=int, default=5, help="steps before them, left out (%(default)s)")
    _add_shrink(measure)
    measure.add_argument("--run-dir", type=Path, metavar="DIR", help="where the run keeps its files")
    measure.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="(%(default)s)")


def _add_shrink(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--shrink",
        type=int,
        default=1,
        metavar="N",
        help="divide widths, blocks, vocabulary, features and lengths by N (with random weights only)",
    )


def _add_studies(commands: Any) -> None:
    one = _add_stage(commands, "study", study)
    one.add_argument(
        "--study",
        action="append",
        default=[],
        metavar="NAME",
        help="one of the profile's studies, and those it builds on (repeatable; default: all of them)",
    )


def _add_sweep(commands: Any) -> None:
    one = _add_stage(commands, "sweep", sweep)
    one.add_argument("--axis", choices=sweep.AXES, help="sweep this one only (default: both)")


def _add_page(commands: Any) -> None:
    one = _add_stage(commands, "page", page)
    which = one.add_mutually_exclusive_group()
    which.add_argument(
        "--committed", action="store_true", help="render the committed results again instead of a run's"
    )
    which.add_argument(
        "--commit", action="store_true", help="take the run's page and artefacts over into results/"
    )


def _add_classify(commands: Any) -> None:
    one = commands.add_parser(
        "classify",
        help=classify.SUMMARY,
        description=classify.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(one)
    add_arguments(one)


def _add_common(one: argparse.ArgumentParser) -> None:
    names = ", ".join(profile_names())
    one.add_argument(
        "--profile", default="miniature", metavar="NAME", help=f"{names}, or a .toml file (%(default)s)"
    )
    root = os.environ.get("HARNESS_DATA_ROOT")
    one.add_argument(
        "--data-root",
        type=Path,
        default=Path(root) if root else None,
        metavar="DIR",
        help="folder of rows laid out ORG/NAME/CONFIG/SPLIT.jsonl (or the variable HARNESS_DATA_ROOT)",
    )
    one.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="where the run keeps its files (runs/<profile>)"
    )
    one.add_argument(
        "--random-weights",
        action="store_true",
        help="the profile's exact shapes with random weights and synthetic pairs; only cost means anything",
    )
    _add_shrink(one)
