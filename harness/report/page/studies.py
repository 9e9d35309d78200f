"""From each finished study to its section, and from sections to the parts of the page.

A new kind of finding is one function here and one line in `SECTIONS`; the part that it belongs to is the
line's first word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from harness.core.sheet import Sheet, line, numeric
from harness.findings import Finding
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
from harness.findings.policy_form import PolicyFormResult
from harness.findings.probes import ProbesResult
from harness.findings.sweep import SweepResult
from harness.paper.printed import Printed
from harness.profiles.profile import Profile
from harness.report.page import (
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
)
from harness.report.page.blocks import Block, Conversations, Folded, Part, Picture, Section

FEATURES, MATTER, SWEPT, SORTED, AUDITS = "features", "matter", "swept", "sorted", "audits"
PARTS = {
    FEATURES: "Features",
    MATTER: "Do they matter",
    SWEPT: "Sweeps",
    SORTED: "Categories",
    AUDITS: "Audits",
}
"""The parts that studies fill, in order. A study of one arm, such as an audit, has a section for each arm."""


class Study(NamedTuple):
    """A finished study as a section needs it."""

    name: str
    finding: Any
    href: str
    printed: Printed
    profile: Profile | None


def parts(studies: Iterable[Study]) -> tuple[Part, ...]:
    """The parts that have a section, their sections in the profile's order."""
    found: dict[str, list[Section]] = {name: [] for name in PARTS}
    for study in studies:
        place, section = SECTIONS[type(study.finding)]
        found[place].append(section(study))
    return tuple(Part(name, PARTS[name], tuple(made)) for name, made in found.items() if made)


def _activity(study: Study) -> Section:
    return _census(study.finding, study.href)


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
    intro = "What the tables and figures below are counted from."
    return Section("activity", "Activity", intro, (table,))


def _composition(study: Study) -> Section:
    intro = "Which kinds of features the SAE activates, and which kinds the adapter steers."
    table = features.composition(study.finding, study.href, study.printed)
    return Section(study.name, "Table 2: composition", intro, (table,))


def _ranking(study: Study) -> Section:
    often = study.finding.by == "usage"
    title = "Table 3: most often" if often else "Table 4: most strongly"
    how = "most often" if often else "with the largest mean"
    table = features.ranking(study.finding, study.name, study.href, study.printed)
    return Section(study.name, title, f"The single features that the adapter steers {how}.", (table,))


def _top_k(study: Study) -> Section:
    return _drawn(
        study,
        "Figure 2: static top-k",
        "Is the learned, input-dependent sparsity better than a fixed number of features?",
        lambda: charts.top_k(study.finding),
        "SimPO loss against the share of features steered.",
        masked.top_k(study.finding, study.href),
    )


def _difference(study: Study) -> Section:
    return _drawn(
        study,
        "Figure 3: steering against activation",
        "Does the adapter only repeat what the SAE finds?",
        lambda: charts.difference(study.finding),
        "Above: how many features have which mean difference f - v. Below: the same, in order.",
        features.difference(study.finding, study.href),
    )


def _usage(study: Study) -> Section:
    return _drawn(
        study,
        "Figure 5: usage of features",
        "How quickly does the use of features fall with their rank?",
        lambda: charts.usage(study.finding),
        "Usage of each feature by rank in three contexts and three groups; grey: the fit over all.",
        features.usage(study.finding, study.href),
    )


def _sweep(study: Study) -> Section:
    finding: SweepResult = study.finding
    what = "alpha" if finding.axis == "alpha" else "layer"
    made = _drawn(
        study,
        f"Figure 4: sweep of {what}",
        "What does each setting cost in loss, and how many features does it steer?",
        lambda: sweeps.drawn(finding),
        sweeps.alt(finding),
        sweeps.numbers(finding, study.name, study.href, study.printed),
    )
    return made._replace(intro=f"{made.intro} {sweeps.standing(finding, study.profile)}".strip())


def _ablation(study: Study) -> Section:
    return masked.section(study.name, study.finding, study.href)


def _classification(study: Study) -> Section:
    intro = "Can the category of a feature be told from its explanation?"
    table = classified.table6(study.finding, study.href, study.printed)
    return Section(study.name, "Table 6: classification", intro, (table,))


def _answers(study: Study) -> Section:
    finding: GenerationsResult = study.finding
    shown = answers.grouped(finding)
    block = Conversations(study.name, "Answers to the same prompts", finding, (), study.href, shown)
    means = answers.table(finding, study.href)
    return Section(study.name, "Answers side by side", "What the arms say.", (means, block))


def _policy(study: Study) -> Section:
    return policy.section(study.name, study.finding, study.href)


def _audit(study: Study) -> Section:
    return audited.section(study.name, study.finding, study.href, _titles(study, study.finding.arms))


def _controls(study: Study) -> Section:
    return controlled.section(study.name, study.finding, study.href)


def _probes(study: Study) -> Section:
    named = dict.fromkeys(one.arm for one in study.finding.probes)
    return probed.section(study.name, study.finding, study.href, _titles(study, named))


def _titles(study: Study, arms: Iterable[str]) -> dict[str, str]:
    """The arms' titles as the profile has them; their names where it is not known."""
    known = study.profile.arms if study.profile is not None else {}
    return {arm: known[arm].title if arm in known else arm for arm in arms}


def _drawn(
    study: Study, title: str, intro: str, draw: Callable[[], object], alt: str, table: Sheet
) -> Section:
    """A figure, with its numbers folded below it."""
    svg, png = charts.drawn(study.name, draw)  # type: ignore[arg-type]
    picture = Picture(study.name, title, svg, png, alt, (), table.href)
    blocks: tuple[Block, ...] = (picture, Folded(f"{study.name}-table", table.title, (table,)))
    return Section(f"section-{study.name}", title, intro, blocks)


SECTIONS: dict[type[Finding], tuple[str, Callable[[Study], Section]]] = {
    CensusResult: (FEATURES, _activity),
    CompositionResult: (FEATURES, _composition),
    RankingResult: (FEATURES, _ranking),
    DifferenceResult: (FEATURES, _difference),
    UsageResult: (FEATURES, _usage),
    TopKResult: (MATTER, _top_k),
    AblationResult: (MATTER, _ablation),
    GenerationsResult: (MATTER, _answers),
    SweepResult: (SWEPT, _sweep),
    ClassificationResult: (SORTED, _classification),
    PolicyFormResult: (MATTER, _policy),
    AuditResult: (AUDITS, _audit),
    ProbesResult: (AUDITS, _probes),
    ControlsResult: (AUDITS, _controls),
}
