"""`python -m harness STAGE`: one stage of a run, or its studies, for one training seed or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from harness.commands.seeds import run_seeds
from harness.core.console import console
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.stages.options import parse_seeds
from harness.stages.stage import refuse_stale, run_stage
from harness.stages.study import run_studies

Arm = Annotated[str | None, Option(metavar="NAME", help="one arm of the profile (default: all of them)")]
Seeds = Annotated[
    str | None,
    Option(
        metavar="N,N,...",
        help="run the stage once for each training seed, below seed-N; report adds the table over seeds",
    ),
]
Export = Annotated[
    Path | None,
    Option(
        metavar="DIR",
        help="only write the profile's rows to DIR as a data root, for --data-root on a machine without a "
        "network; needs no model and no GPU",
    ),
]
Study = Annotated[
    list[str] | None,
    Option(
        metavar="NAME",
        help="one of the profile's studies, and those it builds on (repeatable; default: all of them)",
    ),
]


def prepare(profile: Profile, paths: RunPaths, export: Export = None, seeds: Seeds = None) -> None:
    """Reads what the profile names: the bundled miniature, a package's GGUF file, the hub, the data root.

    Writes prepare.json, assets/{model,sae,data} (links to the files), the profile's lock file for the hub.
    """
    if export is None or seeds is not None:
        _run("prepare", profile, paths, seeds)
        return
    from harness.sources.export import export as export_rows

    written = export_rows(profile, paths, export)
    rows = sum(entry.rows for entry in written.values())
    console.print(f"{export}: {len(written)} files with {rows} rows, MANIFEST.json beside them", markup=False)


def train(profile: Profile, paths: RunPaths, seeds: Seeds = None, arm: Arm = None) -> None:
    """Reads prepare.json, the base model, the SAE where the arm uses one, preference pairs.

    Writes <arm>/train.json, <arm>/weights/.
    """
    _run("train", profile, paths, seeds, arm)


def evaluate(profile: Profile, paths: RunPaths, seeds: Seeds = None, arm: Arm = None) -> None:
    """Reads prepare.json, <arm>/train.json, <arm>/weights/, the test pairs and the evaluation rows.

    Writes <arm>/evaluate.json, <arm>/samples/*.jsonl (one file a task, and preference.jsonl).
    """
    _run("evaluate", profile, paths, seeds, arm)


def analyse(profile: Profile, paths: RunPaths, seeds: Seeds = None) -> None:
    """Reads evaluate.json and samples/*.jsonl of every arm. Writes analyse.json."""
    _run("analyse", profile, paths, seeds)


def report(profile: Profile, paths: RunPaths, seeds: Seeds = None) -> None:
    """Reads train.json and evaluate.json of every arm, analyse.json, studies/*.json, results/paper.json.

    Writes report.json, and below report/: table1.json, {table1,cost,times,verdicts}.{md,csv,tex},
    differences.{svg,png}.
    """
    _run("report", profile, paths, seeds)


def check(profile: Profile, paths: RunPaths, seeds: Seeds = None) -> None:
    """Reads report.json, report/table1.json, results/<profile>/prompts.json where it is committed.

    Writes check.json.
    """
    _run("check", profile, paths, seeds)


def study(profile: Profile, paths: RunPaths, study: Study = None) -> None:
    """Reads prepare.json, <arm>/train.json, <arm>/evaluate.json, <arm>/weights/, the test pairs, the SAE.

    Writes studies/<name>.json, and files beside it.
    """
    run_studies(profile, paths, study or [])


def _run(stage: str, profile: Profile, paths: RunPaths, seeds: str | None, arm: str | None = None) -> None:
    if seeds is not None:
        run_seeds(stage, profile, paths, parse_seeds(seeds), arm)
        return
    refuse_stale(stage, profile, paths, arm)
    run_stage(stage, profile, paths, arm)
