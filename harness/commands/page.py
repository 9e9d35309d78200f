"""`python -m harness page`: the report as one page, from the artefacts of a run or from committed ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from harness.commands.page_documents import Folder, classified, documents
from harness.commands.seeds import seed_paths, with_seed
from harness.core.artefact import Artefact, read_artefact, write_bytes
from harness.core.console import say
from harness.core.errors import MissingInputError, UsageError
from harness.core.folders import whole_folder, writing
from harness.core.paths import RESULTS, RunPaths
from harness.findings.outcome import outcome_path, read_outcome
from harness.paper.verdict import Verdict
from harness.profiles.profile import Profile
from harness.report.page.build import build
from harness.report.page.claims import counts
from harness.stages.inputs import STUDIES, Context, command
from harness.stages.options import Save, parse_seeds
from harness.stages.report import ITEMS, judged, read_verdicts, rendered
from harness.stages.stage import held, up_to_date
from harness.stages.study import current


def run(
    profile: Profile,
    paths: RunPaths,
    *,
    committed: Annotated[
        bool, Option("--committed", help="render the committed tables and page again instead of a run's")
    ] = False,
    save: Save = False,
    seeds: Annotated[
        str | None, Option(metavar="N,N,...", help="the page of each training seed's run, below seed-N")
    ] = None,
    results: Path = RESULTS,
) -> None:
    """Reads report.json, report/{table1,items,seeds}.json, {studies,classification,planted-truth}/*.json,
    results/paper{,-tables}.json.

    Writes report/index.html and a PNG of each figure; with --save the same and the tables below results/,
    with the artefacts that the page shows. With --committed: the committed tables and page again.

    Raises:
        UsageError: `committed`, `save` and `seeds`, which exclude each other.
        MissingInputError: the run has no report, or nothing is committed for this profile.
        StaleError: the report was made of other results or studies than the run has now.
        DamagedFileError: an artefact is invalid.
    """
    if committed + save + (seeds is not None) > 1:
        raise UsageError("--committed, --save and --seeds exclude each other", remedy="give one of them")
    for seed in parse_seeds(seeds) if seeds is not None else ():
        run(with_seed(profile, seed), seed_paths(paths, seed))
    if seeds is not None:
        return
    if committed:
        for folder in _committed(profile, results):
            _write(_committed_files(profile, folder), folder)
            say(f"page: {folder / 'report' / 'index.html'}")
        return
    context = Context(profile, paths)
    with held(paths.root, reads=True):
        up_to_date("report", context)
        outcome = read_outcome(outcome_path(paths), made_by=command("report", profile))
        studies = _of_run(context)
        here = Folder(paths.root, paths.report, "")
        verdicts = read_verdicts(paths)
        made = documents(outcome, studies, verdicts, profile, here)
        _write(build(made), paths.report)
        _say_what_next(profile, paths, verdicts, studies)
        if save:
            target = results / profile.name / outcome.hardware
            _take_over(paths, studies, profile, target)


def _say_what_next(
    profile: Profile, paths: RunPaths, verdicts: Sequence[Verdict], studies: Mapping[str, Artefact]
) -> None:
    """The last lines of a run: what it says of the claims, where everything is, what can be done next."""
    told = ", ".join(f"{one.text} {one.word} {one.sign}" for one in counts(verdicts))
    say(f"{len(verdicts)} claims: {told}")
    say(f"page: {paths.report / 'index.html'} (open it in a browser)")
    say(f"tables (CSV, LaTeX, Markdown) and verdicts: {paths.report}")
    if len(studies) < len(profile.studies):
        name = command("", profile).partition("--profile ")[2]
        say(f"next: `nox -s reproduce-paper -- --profile {name}` adds the paper's other tables and figures")
    else:
        say(f"next: `{command('seeds', profile)}` asks whether another training seed says the same")


def _of_run(context: Context) -> dict[str, Artefact]:
    """The studies for the page; those that are not finished or out of date are named."""
    profile, found = context.profile, current(context)
    missing = [name for name in profile.studies if name not in found]
    if missing:
        say(
            f"not on the page, because not finished or outdated: {', '.join(missing)}; "
            f"`python -m harness study --profile {profile.name}` makes them"
        )
    return found


def _committed(profile: Profile, results: Path) -> list[Path]:
    folders = sorted(path.parent for path in (results / profile.name).glob("*/table1.json"))
    if not folders:
        raise MissingInputError(
            "nothing is committed for this profile",
            value=results / profile.name,
            remedy=f"run it, then `python -m harness page --profile {profile.name} --save`",
        )
    return folders


def _committed_files(profile: Profile, folder: Path) -> dict[str, bytes]:
    again = f"python -m harness page --profile {profile.name} --save"
    outcome = read_outcome(folder / "table1.json", made_by=again)
    there = sorted(path.stem for path in (folder / "studies").glob("*.json"))
    names = [name for name in profile.studies if name in there]
    names += [name for name in there if name not in names]
    studies = {name: read_artefact(folder / "studies" / f"{name}.json", made_by=again) for name in names}
    verdicts = judged(outcome, studies)
    page = build(documents(outcome, studies, verdicts, profile, Folder(folder, folder, "../")))
    return rendered(outcome, verdicts) | {f"report/{name}": data for name, data in page.items()}


def _take_over(paths: RunPaths, studies: Iterable[str], profile: Profile, target: Path) -> None:
    """Put Table 1's document, every artefact of the page, tables and page in the place of the committed ones.

    The folder changes as a whole, when all of it is there; what other commands committed stays.
    """
    found = {"table1.json": outcome_path(paths), ITEMS: paths.report / ITEMS}
    found |= {f"studies/{name}.json": paths.stage(f"{STUDIES}{name}") for name in studies}
    for by in classified(paths.classification):
        found[f"classification/{by}.json"] = paths.classification / f"{by}.json"
    with (
        writing("the committed results cannot be replaced", target, "make the folder writable"),
        whole_folder(target) as new,
    ):
        if target.exists():
            shutil.copytree(target, new, dirs_exist_ok=True)
        for old in ("studies", "report", "classification"):
            shutil.rmtree(new / old, ignore_errors=True)
        _write({name: source.read_bytes() for name, source in found.items()}, new)
        _write(_committed_files(profile, new), new)
    say(f"page: {target / 'report' / 'index.html'}")


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        write_bytes(folder / name, data)
