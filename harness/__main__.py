"""`python -m harness STAGE --profile NAME`: run one stage of a reproduction."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import __version__
from harness.errors import HarnessError, ProfileError, RunFolderError
from harness.paths import RunPaths
from harness.planning.devices import GPUS
from harness.profile import Profile, load_profile
from harness.profile_file import lock_path, profile_names
from harness.provenance import ROOT
from harness.stages import classify, page, study
from harness.stages.common import console, load_stage, refuse_stale, run_stage
from harness.stages.order import STAGES
from harness.synthetic.variant import random_variant

INTERRUPTED = 130
RESULTS = ROOT / "results"
FULL_OR_CLOSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
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
READS_UP_TO = {"regress": "check", "prompts": "analyse", "study": "analyse"}
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
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name in STAGES:
        stage = load_stage(name)
        detail = f"{stage.SUMMARY}\n\nreads:  {stage.READS}\nwrites: {stage.WRITES}"
        one = commands.add_parser(
            name, help=stage.SUMMARY, description=detail, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        _add_common(one)
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
    _add_page(commands)
    for name, (what, summary) in COMPARISONS.items():
        one = commands.add_parser(name, help=f"Compare a run with the committed {what}.", description=summary)
        _add_common(one)
        one.add_argument(
            "--update", action="store_true", help=f"accept this run's {what} as the committed ones"
        )
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
    detail = f"{study.SUMMARY}\n\nreads:  {study.READS}\nwrites: {study.WRITES}"
    one = commands.add_parser(
        "study", help=study.SUMMARY, description=detail, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_common(one)
    one.add_argument(
        "--study",
        action="append",
        default=[],
        metavar="NAME",
        help="one of the profile's studies, and those it builds on (repeatable; default: all of them)",
    )


def _add_page(commands: Any) -> None:
    detail = f"{page.SUMMARY}\n\nreads:  {page.READS}\nwrites: {page.WRITES}"
    one = commands.add_parser(
        "page", help=page.SUMMARY, description=detail, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_common(one)
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
    classify.add_arguments(one)


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


def _export(profile: Profile, paths: RunPaths, folder: Path) -> None:
    from harness.sources.export import export

    written = export(profile, paths, folder)
    total = sum(entry.rows for entry in written.values())
    console.print(
        f"{folder}: {len(written)} files with {total} rows, MANIFEST.json beside them", markup=False
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a HarnessError becomes one screen of text and its exit code."""
    given = parser().parse_args(arguments)
    try:
        return _run(given)
    except HarnessError as error:
        return _refused(error)
    except OSError as error:
        if error.errno not in FULL_OR_CLOSED:
            raise
        refused = RunFolderError(
            f"a file cannot be written ({error.strerror})",
            value=error.filename,
            remedy="free disk space, also for temporary files (TMPDIR), or give a writable --run-dir DIR",
        )
        return _refused(refused)
    except KeyboardInterrupt:
        console.print(
            "interrupted: finished stages are kept, nothing is half-written; the same command goes on"
        )
        return INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    if given.stage == "bench":
        return _bench(given.update)
    profile = load_profile(given.profile)
    if given.stage == "plan":
        return _plan(profile, given.gpu, as_json=given.json)
    if given.stage == "measure":
        return _measure(profile, given)
    if given.stage == "planted-truth":
        return _planted(profile, given)
    profile = _weights(profile, given.random_weights, given.shrink)
    paths = RunPaths.of(profile.name, given.run_dir, given.data_root, lock_path(given.profile))
    seeds = getattr(given, "seeds", None)
    if seeds is not None:
        from harness.seeds import parse_seeds
        from harness.seeds import run as run_seeds

        run_seeds(given.stage, profile, paths, parse_seeds(seeds), getattr(given, "arm", None))
        return 0
    upto = READS_UP_TO.get(given.stage, given.stage)
    if upto in STAGES:
        refuse_stale(upto, profile, paths, getattr(given, "arm", None))
    if given.stage == "regress":
        from harness.regress import run

        run(profile, paths, given.update)
    elif getattr(given, "export", None):
        _export(profile, paths, given.export)
    elif given.stage == "prompts":
        from harness.snapshot import run as compare_prompts

        compare_prompts(profile, paths, given.update)
    elif given.stage == "study":
        study.run_studies(profile, paths, given.study)
    elif given.stage == "page":
        page.run(profile, paths, committed=given.committed, commit=given.commit)
    elif given.stage == "classify":
        classify.run(profile, paths, classify.options_of(given))
    else:
        run_stage(given.stage, profile, paths, getattr(given, "arm", None))
    return 0


def _refused(error: HarnessError) -> int:
    console.print(f"[bold red]{error.title}:[/bold red] ", end="")
    console.print(str(error), markup=False)
    return error.exit_code


def _weights(profile: Profile, random: bool, shrink: int) -> Profile:
    if random:
        return random_variant(profile, shrink=shrink)
    if shrink != 1:
        raise ProfileError(
            "real weights cannot be divided",
            value=f"--shrink {shrink}",
            remedy="add --random-weights, or leave --shrink out",
        )
    return profile


def _bench(update: bool) -> int:
    from harness.bench import run

    run(update=update)
    return 0


def _measure(profile: Profile, given: argparse.Namespace) -> int:
    from harness.measuring import run

    run(
        profile,
        steps=given.steps,
        warmup=given.warmup,
        shrink=given.shrink,
        run_dir=given.run_dir,
        results=given.results,
    )
    return 0


def _planted(profile: Profile, given: argparse.Namespace) -> int:
    from harness.planted.session import run
    from harness.seeds import parse_seeds

    run(
        profile,
        RunPaths.of(profile.name, given.run_dir, None, lock_path(given.profile)),
        seeds=parse_seeds(given.seeds) if given.seeds else (),
        rewards=given.reward,
        commit=given.commit,
    )
    return 0


def _plan(profile: Profile, gpu: str, *, as_json: bool) -> int:
    from harness.planning.predict import plan
    from harness.planning.show import show_plan

    found = plan(profile, gpu)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        show_plan(found, Console(highlight=False, soft_wrap=False, width=None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
