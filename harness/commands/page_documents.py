"""The documents of a page: a run's, or committed ones, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from harness.classification.result import By
from harness.commands.seeds import SEEDS, seed_table
from harness.core.artefact import Artefact, read_artefact
from harness.core.console import say
from harness.core.documents import read_result
from harness.findings.items import ItemsResult
from harness.findings.outcome import Outcome
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
from harness.report.page.build import Documents
from harness.report.page.charts import inline
from harness.report.page.scores import own
from harness.report.palette import themed
from harness.stages.report import ITEMS

CLASSIFIERS = get_args(By)


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


def documents(
    outcome: Outcome,
    studies: Mapping[str, Artefact],
    verdicts: Sequence[Verdict],
    profile: Profile,
    folder: Folder,
) -> Documents:
    """What the page of a run, or of committed results, is made from.

    Raises:
        MissingInputError, DamagedFileError: a file is missing or invalid.
    """
    items, seeds = folder.tables / ITEMS, _seeds(outcome, folder)
    same = profile.digest() == outcome.profile_digest
    return Documents(
        outcome=outcome,
        outcome_href=folder.href(folder.tables / "table1.json"),
        studies=studies,
        paper=read_paper(),
        printed=read_printed(),
        verdicts=verdicts,
        classified=classified(folder.root / "classification"),
        items=_items(items) if items.is_file() else None,
        seeds=seeds,
        profile=profile if same else None,
        more=(*_seed_section(seeds, outcome, folder), *_planted(outcome, folder)),
        texts=_texts(folder),
    )


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
        "Planted and recovered",
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


def classified(folder: Path) -> dict[str, Artefact]:
    """What `classify` wrote, by kind of classifier, the last of each kind."""
    return {
        by: read_artefact(folder / f"{by}.json", made_by="python -m harness classify")
        for by in CLASSIFIERS
        if (folder / f"{by}.json").is_file()
    }
