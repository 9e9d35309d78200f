"""From a run's documents to the page and its pictures: pure, the same bytes for the same documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.core.artefact import Artefact
from harness.core.measures import BASE
from harness.core.paths import ROOT
from harness.core.sheet import Sheet, line, numeric
from harness.findings import Finding, parse_finding
from harness.findings.activity import (
    CensusResult,
    CompositionResult,
    DifferenceResult,
    RankingResult,
    UsageResult,
)
from harness.findings.answers import GenerationsResult
from harness.findings.audit import AuditResult
from harness.findings.classification import ClassificationResult
from harness.findings.controls import ControlsResult
from harness.findings.masked import AblationResult, TopKResult
from harness.findings.outcome import Outcome
from harness.findings.policy_form import PolicyFormResult
from harness.findings.probes import ProbesResult
from harness.findings.sweep import SweepResult
from harness.paper.claims import Paper
from harness.paper.printed import Printed
from harness.paper.verdict import Verdict
from harness.report.differences_figure import figure
from harness.report.page import (
    adapters,
    answers,
    audited,
    charts,
    classified,
    controlled,
    features,
    masked,
    policy,
    probed,
    sweeps,
    training,
)
from harness.report.page.blocks import Block, Conversations, Picture, Section
from harness.report.tables import cost_table, table1, threads_used, times_table
from harness.report.verdict_tables import verdict_table

TEMPLATES = ROOT / "harness" / "report" / "templates"
THEIRS = ("Paper", "The paper's", "Authors' file")
"""How the heading of a column of the paper's values begins, and a note on them."""


class Documents(NamedTuple):
    """What a page is made from.

    Attributes:
        outcome, outcome_href: Table 1's document, and where it lies as seen from the page.
        studies: artefacts by name.
        paper, printed: the paper's claims and tables.
        verdicts: on the claims, as the report has them.
        classified: what `classify` wrote, by kind of classifier.
    """

    outcome: Outcome
    outcome_href: str
    studies: Mapping[str, Artefact]
    paper: Paper
    printed: Printed
    verdicts: Sequence[Verdict]
    classified: Mapping[str, Artefact] = MappingProxyType({})

    def href(self, study: str) -> str:
        """Where a study's artefact lies as seen from the page."""
        return f"../studies/{study}.json"


def build(documents: Documents) -> dict[str, bytes]:
    """`index.html` and a PNG of each figure, by file name."""
    found = {
        name: parse_finding(one.result, where=documents.href(name)) for name, one in documents.studies.items()
    }
    sections = [
        _table1(documents),
        *training.sections(documents.outcome, documents.outcome_href),
        *_studies(documents, found),
        *classified.sections(documents.classified, "../classification", documents.printed),
        _verdicts(documents),
        _provenance(documents),
    ]
    if not documents.outcome.paper_values:
        sections = [one._replace(blocks=tuple(map(_own, one.blocks))) for one in sections]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["table"] = lambda block: isinstance(block, Sheet)
    environment.tests["figure"] = lambda block: isinstance(block, Picture)
    page = environment.get_template("page.html.jinja").render(
        outcome=documents.outcome, paper=documents.paper, sections=sections
    )
    pictures = [block for section in sections for block in section.blocks if isinstance(block, Picture)]
    return {"index.html": page.encode(), **{f"{one.name}.png": one.png for one in pictures}}


def _own(block: Block) -> Block:
    """A table without the paper's values."""
    if not isinstance(block, Sheet):
        return block
    kept = [i for i, heading in enumerate(block.headings) if not heading.startswith(THEIRS)]
    rows = tuple(row._replace(cells=tuple(row.cells[i] for i in kept)) for row in block.rows)
    headings = tuple(block.headings[i] for i in kept)
    notes = tuple(note for note in block.notes if not note.startswith(THEIRS))
    return block._replace(headings=headings, rows=rows, notes=notes)


def _table1(documents: Documents) -> Section:
    outcome, href = documents.outcome, documents.outcome_href
    blocks: tuple[Block, ...] = (
        table1(outcome, documents.paper)._replace(href=href),
        *_differences(outcome, href),
        *adapters.tables(outcome, href),
        cost_table(outcome, documents.paper)._replace(href=href),
        times_table(outcome)._replace(href=href),
    )
    return Section("scores", "Scores and costs", "What training did to the scores, and what it cost.", blocks)


def _differences(outcome: Outcome, href: str) -> tuple[Picture, ...]:
    """The figure under Table 1; none where there is no arm but the base."""
    if set(outcome.arms) <= {BASE}:
        return ()
    found = figure(outcome)
    picture = Picture(
        "differences",
        "Difference to the base model",
        charts.inline(found["svg"].decode(), "differences"),
        found["png"],
        "Each trained arm's difference to the base model on every measure, with 95 % intervals; "
        "the numbers are in Table 1.",
        (),
        href,
    )
    return (picture,)


def _verdicts(documents: Documents) -> Section:
    sheet = verdict_table(documents.outcome, documents.verdicts)
    table = sheet._replace(href=documents.outcome_href)
    return Section("verdicts", "Verdicts", "What this run says about each claim of the paper.", (table,))


def _studies(documents: Documents, found: Mapping[str, Finding]) -> list[Section]:
    """A section for each study that is finished, in the profile's order."""
    return [_section(name, finding, documents) for name, finding in found.items()]


def _titles(outcome: Outcome) -> dict[str, str]:
    return {name: arm.title for name, arm in outcome.arms.items()}


def _section(name: str, finding: Finding, documents: Documents) -> Section:
    href, printed = documents.href(name), documents.printed
    match finding:
        case CensusResult():
            return _census(finding, href)
        case CompositionResult():
            intro = "Which kinds of features the SAE activates, and which kinds the adapter steers."
            return Section(
                name, "Table 2: composition", intro, (features.composition(finding, href, printed),)
            )
        case RankingResult():
            title = "Table 3: most often" if finding.by == "usage" else "Table 4: most strongly"
            table = features.ranking(finding, name, href, printed)
            return Section(name, title, "The single features that the adapter steers most.", (table,))
        case TopKResult():
            return _drawn(
                name,
                "Figure 2: static top-k",
                "Is the learned, input-dependent sparsity better than a fixed number of features?",
                lambda: charts.top_k(finding),
                "SimPO loss against the share of features steered; the numbers are in the table below.",
                masked.top_k(finding, href),
            )
        case DifferenceResult():
            return _drawn(
                name,
                "Figure 3: steering against activation",
                "Does the adapter only repeat what the SAE finds?",
                lambda: charts.difference(finding),
                "Above: how many features have which mean difference f - v. Below: the same, in order.",
                features.difference(finding, href),
            )
        case UsageResult():
            return _drawn(
                name,
                "Figure 5: usage of features",
                "How quickly does the use of features fall with their rank?",
                lambda: charts.usage(finding),
                "Usage of each feature by rank in three contexts and three groups; grey: the fit over all. "
                "Slopes and R² are in the table below.",
                features.usage(finding, href),
            )
        case SweepResult():
            what = "alpha" if finding.axis == "alpha" else "layer"
            return _drawn(
                name,
                f"Figure 4: sweep of {what}",
                "What does each setting cost in loss, and how many features does it steer?",
                lambda: sweeps.drawn(finding),
                sweeps.alt(finding),
                sweeps.numbers(finding, name, href, printed),
            )
        case AblationResult():
            return masked.section(name, finding, href)
        case ClassificationResult():
            intro = "Can the category of a feature be told from its explanation?"
            table = classified.table6(finding, href, printed)
            return Section(name, "Table 6: classification", intro, (table,))
        case PolicyFormResult():
            return policy.section(name, finding, href)
        case GenerationsResult():
            block = Conversations(name, "Answers to the same prompts", finding, (), href)
            means = answers.table(finding, href)
            return Section(name, "Answers side by side", "What the arms say.", (means, block))
        case AuditResult():
            return audited.section(name, finding, href, _titles(documents.outcome))
        case ProbesResult():
            return probed.section(name, finding, href, _titles(documents.outcome))
        case ControlsResult():
            return controlled.section(name, finding, href)


def _drawn(name: str, title: str, intro: str, draw: Callable[[], object], alt: str, table: Sheet) -> Section:
    svg, png = charts.drawn(name, draw)  # type: ignore[arg-type]
    picture = Picture(name, title, svg, png, alt, (), table.href)
    return Section(f"section-{name}", title, intro, (picture, table))


def _census(finding: CensusResult, href: str) -> Section:
    rows = tuple(
        line(
            context.replace("_", " + "),
            numeric(one.positions, ",", f"/result/contexts/{context}/positions"),
            numeric(one.mean_l0["sae"], ".2f", f"/result/contexts/{context}/mean_l0/sae"),
            numeric(one.mean_l0["steering"], ".2f", f"/result/contexts/{context}/mean_l0/steering"),
            numeric(one.empty["steering"], ",", f"/result/contexts/{context}/empty/steering"),
        )
        for context, one in finding.contexts.items()
    )
    headings = (
        "Context",
        "Positions",
        "Mean L0 of the SAE",
        "Mean L0 of the steering",
        "Positions not steered",
    )
    sizes = ", ".join(f"{size} {name}" for name, size in finding.categories.items())
    notes = (f"{finding.d_sae:,} features, of which {sizes}; {finding.examples:,} pairs; arm {finding.arm}.",)
    table = Sheet("census", "What is active", headings, rows, notes, href)
    return Section("activity", "Activity", "What the tables and figures below are counted from.", (table,))


def _provenance(documents: Documents) -> Section:
    outcome = documents.outcome
    rows = [line("Table 1", ", ".join(outcome.commits), str(outcome.dirty), outcome.device, "")]
    for name, one in documents.studies.items():
        made = one.provenance
        cells = (made["commit"] or "no commit", str(made["dirty"]), made["hardware"]["device"])
        wall = numeric(one.wall_s, ".1f", "/wall_s")._replace(href=documents.href(name))
        rows.append(line(name, *cells, wall))
    versions = " · ".join(f"{name} {version}" for name, version in sorted(outcome.versions.items()))
    notes = (
        f"profile {outcome.profile} ({outcome.profile_digest})",
        f"hardware {outcome.hardware} · seed {outcome.seed}{threads_used(outcome)}",
        versions,
    )
    headings = ("Part", "Commit", "Uncommitted changes", "Device", "Seconds")
    title = "Where the numbers come from"
    table = Sheet("provenance", title, headings, tuple(rows), notes, documents.outcome_href)
    return Section("origins", "Provenance", "Code, machine and time of every part.", (table,))
