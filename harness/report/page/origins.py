"""Where the numbers are from: settings, seeds, code and machine of every part, and how to cite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.artefact import Artefact
from harness.core.sheet import Cell, Sheet, line, numeric
from harness.findings.outcome import Outcome
from harness.paper.claims import Paper
from harness.profiles.profile import Profile
from harness.profiles.toml_file import leaves
from harness.report.page.blocks import Folded, Part, Section, Text
from harness.report.page.opening import paper_link
from harness.report.tables import commits, limits, sizes, threads_used

HIDDEN = ("sources", "assumed", "published", "title", "note")
TABLES = ("model", "sae", "data", "training", "evaluation", "arms")
"""What makes the arms and their scores; the rest of a profile is about studies."""


def part(
    outcome: Outcome, href: str, paper: Paper, profile: Profile | None, studies: Mapping[str, Artefact]
) -> Part:
    """Settings, provenance and citation.

    Args:
        profile: that of the run; None where the one at hand is not it any more.
    """
    found = (settings(outcome, profile), provenance(outcome, href, studies), cite(outcome, paper))
    return Part("origins", "Settings, citation", found)


def settings(outcome: Outcome, profile: Profile | None) -> Section:
    """The resolved profile, key by key, with the source or the reason of a value."""
    if profile is None:
        why = (
            f"The profile {outcome.profile} has changed since this run ({outcome.profile_digest[:12]}), so "
            "that its settings cannot be shown here; they are in every artefact of the run."
        )
        return Section("settings", "Settings", why, ())
    resolved = profile.resolved()
    reasons = {**profile.sources, **profile.assumed}
    main = {key: resolved[key] for key in TABLES}
    rest = {key: one for key, one in resolved.items() if key not in (*TABLES, *HIDDEN)}
    others = Sheet(
        "settings-studies", "Studies and names", ("Key", "Value", "Source or reason"), _rows(rest, reasons)
    )
    table = Sheet(
        "settings", "Settings of the run", ("Key", "Value", "Source or reason"), _rows(main, reasons)
    )
    intro = "Every setting, defaults among them, as the run resolved them."
    folded = Folded("settings-more", "Settings of the studies", (others,))
    return Section("settings", "Settings", intro, (table, folded))


def _rows(tables: Mapping[str, Any], reasons: Mapping[str, str]) -> Any:
    return tuple(
        line(Cell(key, kind="key"), _written(value), reasons.get(key, ""))
        for key, value in leaves(dict(tables)).items()
        if value is not None
    )


def _written(value: object) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(f"{value:g}", number=float(value))
    return Cell(str(value) if value not in ("", [], ()) else "-")


def provenance(outcome: Outcome, href: str, studies: Mapping[str, Artefact]) -> Section:
    """Commit, machine and time of every part."""
    rows = [line("Table 1", ", ".join(outcome.commits), str(outcome.dirty), outcome.device, "")]
    for name, one in studies.items():
        made = one.provenance
        cells = (made["commit"] or "no commit", str(made["dirty"]), made["hardware"]["device"])
        wall = numeric(one.wall_s, ".1f", "/wall_s")._replace(href=f"../studies/{name}.json")
        rows.append(line(name, *cells, wall))
    versions = " · ".join(f"{name} {version}" for name, version in sorted(outcome.versions.items()))
    python = f"Python {outcome.python} · " if outcome.python else ""
    when = f" · finished on {outcome.date} (UTC)" if outcome.date else " · date not recorded"
    remarks = (
        f"profile {outcome.profile} ({outcome.profile_digest}) · protocol {outcome.protocol}",
        f"{outcome.dtype} · hardware {outcome.hardware} ({outcome.device}) · training seed {outcome.seed} "
        f"(one run an arm){threads_used(outcome)}{when}",
        f"n: {sizes(outcome)} · limits (0: all): {limits(outcome)}",
        python + versions,
    )
    headings = ("Part", "Commit", "Uncommitted changes", "Device", "Seconds")
    title = "Where the numbers come from"
    table = Sheet("provenance", title, headings, tuple(rows), remarks, href)
    return Section("provenance", "Provenance", "Code, machine and time of every part.", (table,))


def cite(outcome: Outcome, paper: Paper) -> Section:
    """The paper as BibTeX, and one line for this run."""
    number = paper_link(paper).rpartition("/")[2]
    run = (
        f"fsrl-bench, profile {outcome.profile} ({outcome.profile_digest[:12]}), protocol {outcome.protocol}"
        f", seed {outcome.seed}, {outcome.hardware}, commit {commits(outcome.commits, outcome.dirty)}"
        f"{', ' + outcome.date if outcome.date else ''}: a rerun of {paper.reference}."
    )
    entry = (
        "@misc{paper,",
        f"  title = {{{paper.title}}},",
        *((f"  eprint = {{{number}}},", "  archivePrefix = {arXiv},") if number else ()),
        f"  note = {{{paper.reference}}},",
        "}",
    )
    blocks = (Text("cite-run", "This run", (run,)), Text("cite-paper", "The paper", entry))
    return Section("cite", "Cite", "This run, and the paper that it reruns.", blocks)
