"""From a run's documents to the page and its pictures: pure, the same bytes for the same documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.core.artefact import Artefact
from harness.core.paths import ROOT
from harness.core.sheet import Sheet
from harness.findings import parse_finding
from harness.findings.items import ItemsResult
from harness.findings.outcome import Outcome
from harness.findings.seeds import SeedResult
from harness.paper.claims import Paper
from harness.paper.printed import Printed
from harness.paper.verdict import Verdict
from harness.profiles.profile import Profile
from harness.report.page import claims, classified, items, origins, scores, studies
from harness.report.page.blocks import Block, Conversations, Folded, Items, Part, Picture, Section, Text
from harness.report.page.opening import Opening, opening
from harness.report.page.pointers import Sources
from harness.report.palette import variables

TEMPLATES = ROOT / "harness" / "report" / "templates"
THEIRS = ("Paper", "The paper's", "Authors' file")
"""How the heading of a column of the paper's values begins, and a note on them."""
KINDS: dict[str, type] = {
    "table": Sheet, "figure": Picture, "answers": Conversations, "items": Items, "text": Text,
    "folded": Folded,
}  # fmt: skip


class Documents(NamedTuple):
    """What a page is made from.

    Attributes:
        outcome, outcome_href: Table 1's document, and where it lies as seen from the page.
        studies: artefacts by name.
        paper, printed: the paper's claims and tables.
        verdicts: on the claims, as the report has them.
        classified: what `classify` wrote, by kind of classifier.
        items: the items that changed; they lie beside Table 1's document.
        seeds: what several training seeds gave.
        profile: of the run; None where the one at hand has changed since.
        beside: verdicts of other models on the same claims, by the model's title.
        more: sections of commands above the report: seeds, planted truth.
        texts: the artefacts as they are written, by their path as seen from the page.
    """

    outcome: Outcome
    outcome_href: str
    studies: Mapping[str, Artefact]
    paper: Paper
    printed: Printed
    verdicts: Sequence[Verdict]
    classified: Mapping[str, Artefact] = MappingProxyType({})
    items: ItemsResult | None = None
    seeds: SeedResult | None = None
    profile: Profile | None = None
    beside: Mapping[str, Sequence[Verdict]] = MappingProxyType({})
    more: Sequence[Section] = ()
    texts: Mapping[str, str] = MappingProxyType({})

    def href(self, study: str) -> str:
        """Where a study's artefact lies as seen from the page."""
        return f"../studies/{study}.json"

    @property
    def items_href(self) -> str:
        """Where the items lie as seen from the page."""
        return self.outcome_href.replace("table1.json", "items.json")


def build(documents: Documents) -> dict[str, bytes]:
    """`index.html` and a PNG of each figure, by file name."""
    found = [
        studies.Study(
            name,
            parse_finding(one.result, where=documents.href(name)),
            documents.href(name),
            documents.printed,
            documents.profile,
        )
        for name, one in documents.studies.items()
    ]
    outcome, href = documents.outcome, documents.outcome_href
    parts = [
        scores.part(outcome, href, documents.paper, documents.seeds),
        items.part(outcome, documents.items, documents.items_href),
        *studies.parts(found),
        *_classifiers(documents),
        *((Part("more", "Seeds, planted truth", tuple(documents.more)),) if documents.more else ()),
        claims.part(outcome, documents.verdicts, documents.beside),
        origins.part(outcome, href, documents.paper, documents.profile, documents.studies),
    ]
    if not outcome.paper_values:
        parts = [_without_the_papers(part) for part in parts]
    first = opening(
        outcome, href, documents.paper, documents.verdicts, seeds=documents.seeds, items=documents.items,
        cited=True,
    )  # fmt: skip
    page = _rendered(documents, first, parts)
    pictures = [*first.pictures, *_pictures(parts)]
    return {"index.html": page.encode(), **{f"{one.name}.png": one.png for one in pictures}}


def _rendered(documents: Documents, first: Opening, parts: Sequence[Part]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name, kind in KINDS.items():
        environment.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    return environment.get_template("page.html.jinja").render(
        outcome=documents.outcome,
        paper=documents.paper,
        opening=first,
        parts=parts,
        place=Sources(documents.texts).place,
        light=variables(dark=False),
        dark=variables(dark=True),
    )


def _pictures(parts: Sequence[Part]) -> Iterator[Picture]:
    for part in parts:
        for section in part.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))


def _classifiers(documents: Documents) -> tuple[Part, ...]:
    """What the command `classify` left."""
    made = classified.sections(documents.classified, "../classification", documents.printed)
    return (Part("classify", "Classifiers", made),) if made else ()


def _without_the_papers(part: Part) -> Part:
    sections = tuple(one._replace(blocks=tuple(map(_own, one.blocks))) for one in part.sections)
    return part._replace(sections=sections)


def _own(block: Block) -> Block:
    """A table without the paper's values."""
    if isinstance(block, Folded):
        return block._replace(tables=tuple(map(_own_table, block.tables)))
    return _own_table(block) if isinstance(block, Sheet) else block


def _own_table(sheet: Sheet) -> Sheet:
    kept = [i for i, heading in enumerate(sheet.headings) if not heading.startswith(THEIRS)]
    rows = tuple(row._replace(cells=tuple(row.cells[i] for i in kept)) for row in sheet.rows)
    headings = tuple(sheet.headings[i] for i in kept)
    notes = tuple(note for note in sheet.notes if not note.startswith(THEIRS))
    return sheet._replace(headings=headings, rows=rows, notes=notes)
