"""`python -m harness STAGE --profile NAME`: run one stage of a reproduction."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.cli import parser
from harness.commands import classify, page, sweep
from harness.commands.classify_options import options_of
from harness.core.console import console
from harness.core.errors import HarnessError, ProfileError, RunFolderError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile, load_profile
from harness.profiles.toml_file import lock_path
from harness.sources.synthetic.variant import random_variant
from harness.stages import study
from harness.stages.stage import STAGES, refuse_stale, run_stage

INTERRUPTED = 130
FULL_OR_CLOSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
READS_UP_TO = {"regress": "check", "prompts": "analyse", "study": "analyse"}


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
        from harness.commands import seeds as over

        if given.stage == over.SEEDS:
            over.run_all(profile, paths, over.parse_seeds(seeds), commit=given.commit)
        else:
            over.run(given.stage, profile, paths, over.parse_seeds(seeds), getattr(given, "arm", None))
        return 0
    upto = READS_UP_TO.get(given.stage, given.stage)
    if upto in STAGES:
        refuse_stale(upto, profile, paths, getattr(given, "arm", None))
    if given.stage == "regress":
        from harness.commands.regress import run

        run(profile, paths, given.update)
    elif getattr(given, "export", None):
        _export(profile, paths, given.export)
    elif given.stage == "parity":
        _parity(profile, paths, given)
    elif given.stage == "prompts":
        from harness.commands.prompts import run as compare_prompts

        compare_prompts(profile, paths, given.update)
    elif given.stage == "study":
        study.run_studies(profile, paths, given.study)
    elif given.stage == "sweep":
        sweep.run(profile, paths, given.axis)
    elif given.stage == "page":
        page.run(profile, paths, committed=given.committed, commit=given.commit)
    elif given.stage == "classify":
        classify.run(profile, paths, options_of(given))
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
    from harness.cost.bench import run

    run(update=update)
    return 0


def _measure(profile: Profile, given: argparse.Namespace) -> int:
    from harness.cost.measure import run

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
    from harness.commands.seeds import parse_seeds
    from harness.planted.session import run

    run(
        profile,
        RunPaths.of(profile.name, given.run_dir, None, lock_path(given.profile)),
        seeds=parse_seeds(given.seeds) if given.seeds else (),
        rewards=given.reward,
        commit=given.commit,
    )
    return 0


def _parity(profile: Profile, paths: RunPaths, given: argparse.Namespace) -> None:
    from harness.commands.parity import run

    limits = {}
    for text in given.limit:
        task, _, count = text.partition("=")
        if not count.isdecimal():
            raise ProfileError("a limit is TASK=N", value=text, remedy="write it as in --limit gsm8k=2")
        limits[task] = int(count)
    run(profile, paths, limits=limits, commit=given.commit)


def _plan(profile: Profile, gpu: str, *, as_json: bool) -> int:
    from harness.cost.plan import plan
    from harness.cost.show_plan import show_plan

    found = plan(profile, gpu)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        show_plan(found, Console(highlight=False, soft_wrap=False, width=None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
