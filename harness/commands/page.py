"""`python -m harness page`: the report as one page, from the artefacts of a run or from committed ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, get_args

from typer import Option

from harness.classification.result import By
from harness.core.artefact import Artefact, read_artefact, write_bytes
from harness.core.console import screen_console
from harness.core.errors import MissingInputError, UsageError
from harness.core.folders import whole_folder, writing
from harness.core.paths import RESULTS, RunPaths
from harness.findings.outcome import outcome_path, read_outcome
from harness.options import Save
from harness.paper.claims import read_paper
from harness.paper.printed import read_printed
from harness.profiles.profile import Profile
from harness.report.page.build import Documents, build
from harness.stages.stage import STUDIES, command, first_changed, held
from harness.stages.study import outdated

STUDIES_HREF = "../studies"
CLASSIFIED_HREF = "../classification"
CLASSIFIERS = get_args(By)


def run(
    profile: Profile,
    paths: RunPaths,
    *,
    committed: Annotated[
        bool, Option("--committed", help="render the committed results again instead of a run's")
    ] = False,
    save: Save = False,
    results: Path = RESULTS,
) -> None:
    """Reads report/table1.json, {studies,classification}/*.json, results/{paper,paper-tables}.json.

    Writes report/index.html and a PNG of each figure; with --save the same below results/, with the artefacts
    that the page shows.

    Raises:
        UsageError: `committed` and `save`, which exclude each other.
        MissingInputError: the run has no report, or nothing is committed for this profile.
        DamagedFileError: an artefact is invalid.
    """
    if committed and save:
        raise UsageError("--committed and --save exclude each other", remedy="give one of them")
    if committed:
        for folder in _committed(profile, results):
            _write(_committed_page(profile, folder), folder / "report")
            _say(folder / "report")
        return
    with held(paths.root):
        _render_run(profile, paths)
        if save:
            outcome = read_outcome(outcome_path(paths), made_by=command("report", profile))
            _take_over(paths, profile, results / profile.name / outcome.hardware)


def _render_run(profile: Profile, paths: RunPaths) -> None:
    outcome = read_outcome(outcome_path(paths), made_by=command("report", profile))
    documents = Documents(
        outcome=outcome,
        outcome_href="table1.json",
        studies=_of_run(profile, paths),
        studies_href=STUDIES_HREF,
        paper=read_paper(),
        printed=read_printed(),
        classified=_classified(paths.classification),
        classified_href=CLASSIFIED_HREF,
    )
    _write(build(documents), paths.report)
    _say(paths.report)


def _of_run(profile: Profile, paths: RunPaths) -> dict[str, Artefact]:
    """The finished studies in the profile's order.

    One that was made of other weights or with other options, or whose files changed since, is left out and
    named: the page never mixes two runs.
    """
    found, missing = {}, []
    for name in profile.studies:
        path = paths.stage(f"{STUDIES}{name}")
        artefact = (
            read_artefact(path, made_by=command(f"{STUDIES}{name}", profile)) if path.is_file() else None
        )
        if artefact is None or first_changed(artefact, paths) or outdated(profile, paths, name, artefact):
            missing.append(name)
        else:
            found[name] = artefact
    if missing:
        screen_console().print(
            f"not on the page, because not finished or outdated: {', '.join(missing)}; "
            f"`python -m harness study --profile {profile.name}` makes them",
            markup=False,
            soft_wrap=True,
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


def _committed_page(profile: Profile, folder: Path) -> dict[str, bytes]:
    again = f"python -m harness page --profile {profile.name} --save"
    outcome = read_outcome(folder / "table1.json", made_by=again)
    there = sorted(path.stem for path in (folder / "studies").glob("*.json"))
    names = [name for name in profile.studies if name in there]
    names += [name for name in there if name not in names]
    documents = Documents(
        outcome=outcome,
        outcome_href="../table1.json",
        studies={name: read_artefact(folder / "studies" / f"{name}.json", made_by=again) for name in names},
        studies_href=STUDIES_HREF,
        paper=read_paper(),
        printed=read_printed(),
        classified=_classified(folder / "classification"),
        classified_href=CLASSIFIED_HREF,
    )
    return build(documents)


def _take_over(paths: RunPaths, profile: Profile, target: Path) -> None:
    """Put Table 1's document, every artefact of the page and the page in the place of the committed ones.

    The folder changes as a whole, when all of it is there; the files that `regress --update` takes stay.
    """
    found = {"table1.json": outcome_path(paths)}
    found |= {f"studies/{name}.json": paths.stage(f"{STUDIES}{name}") for name in _of_run(profile, paths)}
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
        _write(_committed_page(profile, new), new / "report")
    _say(target / "report")


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        write_bytes(folder / name, data)


def _say(folder: Path) -> None:
    screen_console().print(f"page: {folder / 'index.html'}", markup=False, soft_wrap=True)
