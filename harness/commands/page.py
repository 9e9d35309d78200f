"""`python -m harness page`: the report as one page, from the artefacts of a run or from committed ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, get_args

from typer import Option

from harness.classification.result import By
from harness.core.artefact import Artefact, read_artefact, write_bytes
from harness.core.console import say
from harness.core.errors import MissingInputError, UsageError
from harness.core.folders import whole_folder, writing
from harness.core.paths import RESULTS, RunPaths
from harness.findings.outcome import Outcome, outcome_path, read_outcome
from harness.paper.claims import read_paper
from harness.paper.printed import read_printed
from harness.paper.verdict import Verdict
from harness.profiles.profile import Profile
from harness.report.page.build import Documents, build
from harness.stages.inputs import STUDIES, Context, command
from harness.stages.options import Save
from harness.stages.report import judged, read_verdicts, rendered
from harness.stages.stage import held, up_to_date
from harness.stages.study import current

CLASSIFIERS = get_args(By)


def run(
    profile: Profile,
    paths: RunPaths,
    *,
    committed: Annotated[
        bool, Option("--committed", help="render the committed tables and page again instead of a run's")
    ] = False,
    save: Save = False,
    results: Path = RESULTS,
) -> None:
    """Reads report.json, report/table1.json, {studies,classification}/*.json, results/paper{,-tables}.json.

    Writes report/index.html and a PNG of each figure; with --save the same and the tables below results/,
    with the artefacts that the page shows. With --committed: the committed tables and page again.

    Raises:
        UsageError: `committed` and `save`, which exclude each other.
        MissingInputError: the run has no report, or nothing is committed for this profile.
        StaleError: the report was made of other results or studies than the run has now.
        DamagedFileError: an artefact is invalid.
    """
    if committed and save:
        raise UsageError("--committed and --save exclude each other", remedy="give one of them")
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
        _write(_page(outcome, "table1.json", studies, read_verdicts(paths), paths.root), paths.report)
        say(f"page: {paths.report / 'index.html'}")
        if save:
            target = results / profile.name / outcome.hardware
            _take_over(paths, studies, profile, target)


def _page(
    outcome: Outcome,
    outcome_href: str,
    studies: Mapping[str, Artefact],
    verdicts: Sequence[Verdict],
    root: Path,
) -> dict[str, bytes]:
    """The page's files; `root` has the folder of what `classify` wrote."""
    documents = Documents(
        outcome=outcome,
        outcome_href=outcome_href,
        studies=studies,
        paper=read_paper(),
        printed=read_printed(),
        verdicts=verdicts,
        classified=_classified(root / "classification"),
    )
    return build(documents)


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


def _classified(folder: Path) -> dict[str, Artefact]:
    """What `classify` wrote, by kind of classifier, the last of each kind."""
    return {
        by: read_artefact(folder / f"{by}.json", made_by="python -m harness classify")
        for by in CLASSIFIERS
        if (folder / f"{by}.json").is_file()
    }


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
    page = _page(outcome, "../table1.json", studies, verdicts, folder)
    return rendered(outcome, verdicts) | {f"report/{name}": data for name, data in page.items()}


def _take_over(paths: RunPaths, studies: Iterable[str], profile: Profile, target: Path) -> None:
    """Put Table 1's document, every artefact of the page, tables and page in the place of the committed ones.

    The folder changes as a whole, when all of it is there; what other commands committed stays.
    """
    found = {"table1.json": outcome_path(paths)}
    found |= {f"studies/{name}.json": paths.stage(f"{STUDIES}{name}") for name in studies}
    for by in _classified(paths.classification):
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
