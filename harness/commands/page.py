"""`python -m harness page`: the report as one page, from the artefacts of a run or from committed ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, get_args

from typer import Option

from harness.classification.result import By
from harness.commands.seeds import SEEDS, seed_table
from harness.core.artefact import Artefact, read_artefact, write_bytes
from harness.core.console import say
from harness.core.documents import read_result
from harness.core.errors import MissingInputError, UsageError
from harness.core.folders import whole_folder, writing
from harness.core.paths import RESULTS, RunPaths
from harness.findings.items import ItemsResult
from harness.findings.outcome import Outcome, outcome_path, read_outcome
from harness.findings.seeds import SeedResult
from harness.paper.claims import read_paper
from harness.paper.printed import read_printed
from harness.paper.verdict import Verdict
from harness.planted.figure import figure
from harness.planted.result import NAME as PLANTED
from harness.planted.result import PlantedResult
from harness.planted.sheet import sheets
from harness.profiles.profile import Profile
from harness.report.page.blocks import Folded, Picture, Section
from harness.report.page.build import Documents, build
from harness.report.page.charts import inline
from harness.report.page.scores import own
from harness.report.palette import themed
from harness.stages.inputs import STUDIES, Context, command
from harness.stages.options import Save
from harness.stages.report import ITEMS, judged, read_verdicts, rendered
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
    """Reads report.json, report/{table1,items,seeds}.json, {studies,classification,planted-truth}/*.json,
    results/paper{,-tables}.json.

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
        folder = Folder(paths.root, paths.report, "")
        _write(_page(outcome, studies, read_verdicts(paths), profile, folder), paths.report)
        say(f"page: {paths.report / 'index.html'}")
        if save:
            target = results / profile.name / outcome.hardware
            _take_over(paths, studies, profile, target)


class Folder(NamedTuple):
    """Where a page's files lie.

    Attributes:
        root: of what other commands wrote: studies, classification, planted truth.
        tables: of Table 1's document and what lies beside it.
        prefix: of `tables` as seen from the page; the page is in `root / "report"`.
    """

    root: Path
    tables: Path
    prefix: str

    def href(self, path: Path) -> str:
        """A file as seen from the page."""
        if path.parent == self.tables:
            return f"{self.prefix}{path.name}"
        return f"../{path.relative_to(self.root).as_posix()}"


def _page(
    outcome: Outcome,
    studies: Mapping[str, Artefact],
    verdicts: Sequence[Verdict],
    profile: Profile,
    folder: Folder,
) -> dict[str, bytes]:
    """The page's files."""
    items, seeds = folder.tables / ITEMS, _seeds(outcome, folder)
    same = profile.digest() == outcome.profile_digest
    documents = Documents(
        outcome=outcome,
        outcome_href=folder.href(folder.tables / "table1.json"),
        studies=studies,
        paper=read_paper(),
        printed=read_printed(),
        verdicts=verdicts,
        classified=_classified(folder.root / "classification"),
        items=_items(items) if items.is_file() else None,
        seeds=seeds,
        profile=profile if same else None,
        more=(*_seed_section(seeds, outcome, folder), *_planted(outcome, folder)),
        texts=_texts(folder),
    )
    return build(documents)


def _items(path: Path) -> ItemsResult:
    return read_result(path, ItemsResult, what="the items", made_by="python -m harness report")


def _texts(folder: Folder) -> dict[str, str]:
    """Every artefact that the page can point into, as it is written."""
    found = [folder.tables / name for name in ("table1.json", ITEMS, f"{SEEDS}.json")]
    for name in ("studies", "classification", PLANTED):
        found += sorted((folder.root / name).glob("*.json"))
    return {folder.href(one): one.read_text(encoding="utf-8") for one in found if one.is_file()}


def _seeds(outcome: Outcome, folder: Folder) -> SeedResult | None:
    """What several training seeds gave with this profile; None where that was not run, or with another."""
    path = folder.tables / f"{SEEDS}.json"
    if not path.is_file():
        return None
    found = read_result(path, SeedResult, what="the seeds", made_by="python -m harness seeds")
    return found if _belongs(found, outcome, path) else None


def _belongs(found: SeedResult | PlantedResult, outcome: Outcome, path: Path) -> bool:
    same = found.profile_digest == outcome.profile_digest
    if not same:
        say(f"not on the page, because made with other settings than Table 1: {path}")
    return same


def _seed_section(seeds: SeedResult | None, outcome: Outcome, folder: Folder) -> tuple[Section, ...]:
    """The table over seeds, and why it may say something else than Table 1."""
    if seeds is None:
        return ()
    again = f"python -m harness seeds --profile {outcome.profile} --seeds {','.join(map(str, seeds.seeds))}"
    sheet = own(seed_table(seeds, outcome, again), outcome)
    table = sheet._replace(href=folder.href(folder.tables / f"{SEEDS}.json"))
    intro = (
        "Table 1 asks whether one training would do the same on new items; this table, whether another seed "
        "would do the same on these items. A difference can be sure in one and not in the other."
    )
    return (Section(SEEDS, "Training seeds", intro, (table,)),)


def _planted(outcome: Outcome, folder: Folder) -> tuple[Section, ...]:
    """The planted-truth experiment, where it was made with this profile."""
    path = folder.root / PLANTED / f"{PLANTED}.json"
    if not path.is_file():
        return ()
    made_by = "python -m harness planted-truth"
    found = read_result(path, PlantedResult, what="the planted truth", made_by=made_by)
    if not _belongs(found, outcome, path):
        return ()
    href = folder.href(path)
    confused, trials, shares = (one._replace(href=href) for one in sheets(found))
    drawing = figure(found)
    picture = Picture(
        PLANTED,
        "Do the analyses recover the planted reward?",
        themed(inline(drawing["svg"].decode(), PLANTED)),
        drawing["png"],
        "Left: each trial's contrast by planted reward, with the rule's margin. Right: planted against "
        "recovered. The counts are in the table.",
        (),
        href,
    )
    more = Folded(f"{PLANTED}-more", "Every trial, and its shares", (trials, shares))
    intro = "FSRL trained on rewards of known weights: do the analyses say what was planted?"
    return (Section("planted", "Planted truth", intro, (picture, confused, more)),)


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
    page = _page(outcome, studies, verdicts, profile, Folder(folder, folder, "../"))
    return rendered(outcome, verdicts) | {f"report/{name}": data for name, data in page.items()}


def _take_over(paths: RunPaths, studies: Iterable[str], profile: Profile, target: Path) -> None:
    """Put Table 1's document, every artefact of the page, tables and page in the place of the committed ones.

    The folder changes as a whole, when all of it is there; what other commands committed stays.
    """
    found = {"table1.json": outcome_path(paths), ITEMS: paths.report / ITEMS}
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
