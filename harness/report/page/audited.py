"""The behavioural audit on the page: what each training taught, as a picture and in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from harness.core.picture import blank
from harness.core.results import Interval
from harness.core.sheet import Cell, Sheet, bounded, line, numeric
from harness.findings.audit import ArmAudit, AuditResult
from harness.report.page import charts
from harness.report.page.blocks import Block, Picture, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INTRO = "What did each training teach, judged by what the arm now finds likely, and not by any feature?"
MINIMAL = "pairs that differ in this alone"
NATURAL = "test pairs, by regression"


def section(name: str, result: AuditResult, href: str, titles: Mapping[str, str]) -> Section:
    """A picture for each arm, and the tables.

    Args:
        titles: of the arms.
    """
    blocks: list[Block] = []
    for arm, found in result.arms.items():
        svg, png = charts.drawn(f"{name}-{arm}", partial(drawn, found, result))
        alt = (
            f"Change of the log-probability a token, {titles[arm]} minus base, by attribute of the answer; "
            "0 is the base. The numbers are in the tables below."
        )
        blocks.append(
            Picture(f"{name}-{arm}", f"What the training taught: {titles[arm]}", svg, png, alt, (), href)
        )
    blocks += [effects(result, href, titles), together(result, href)]
    return Section(f"section-{name}", "Behavioural audit", INTRO, tuple(blocks))


def drawn(found: ArmAudit, result: AuditResult) -> Figure:
    """Effects of one arm with their 95 % intervals; a regression's coefficient for one standard deviation."""
    scaled = {
        name: _scaled(one, result.collinearity.deviations[name])
        for name, one in found.natural.coefficients.items()
    }
    groups = {f"{NATURAL} (per standard deviation)": scaled}
    if found.minimal:
        groups[MINIMAL] = found.minimal
    rows = sum(map(len, groups.values()))
    figure = blank(5.6, 1.2 + 0.28 * rows + 0.35 * len(groups))
    panels = figure.subplots(
        len(groups), 1, sharex=True, squeeze=False, height_ratios=[len(one) for one in groups.values()]
    )
    for axes, (title, effects_) in zip(panels[:, 0], groups.items(), strict=True):
        _panel(axes, title, effects_)
    panels[-1, 0].set_xlabel("change of log-probability a token, arm - base (nats)")
    return figure


def _panel(axes: Axes, title: str, effects_: Mapping[str, Interval]) -> None:
    places = list(range(len(effects_)))[::-1]
    for place, one in zip(places, effects_.values(), strict=True):
        axes.plot([one.low, one.high], [place, place], color="black", linewidth=1.2)
        axes.plot([one.value], [place], color="black", marker="o", markersize=4)
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set_yticks(places, list(effects_))
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_title(title, loc="left", fontsize="medium")


def _scaled(one: Interval, by: float) -> Interval:
    return Interval(value=one.value * by, stderr=one.stderr * by, low=one.low * by, high=one.high * by)


def effects(result: AuditResult, href: str, titles: Mapping[str, str]) -> Sheet:
    """A row an attribute and arm: coefficient, share of what the attributes explain, minimal pairs."""
    rows = []
    for arm, found in result.arms.items():
        at = f"/result/arms/{arm}"
        names = list(dict.fromkeys((*found.natural.coefficients, *found.minimal)))
        for place, name in enumerate(names):
            first = titles[arm] if not place else ""
            rows.append(line(first, name, *_cells(found, name, at), group=not place))
        if found.truthful is not None:
            cell = _cell(found.truthful, f"{at}/truthful")
            rows.append(line("", "true against false choices (TruthfulQA, whole answers)", "-", "-", cell))
    headings = ("Arm", "Attribute", "Nats a token for one unit", "Share of the explained", "In minimal pairs")
    return Sheet("audit", "What each training taught", headings, tuple(rows), _notes(result, titles), href)


def _cells(found: ArmAudit, name: str, at: str) -> tuple[Cell | str, ...]:
    natural = found.natural
    if name not in natural.coefficients:
        return "-", "-", _cell(found.minimal[name], f"{at}/minimal/{name}")
    minimal = found.minimal.get(name)
    return (
        _cell(natural.coefficients[name], f"{at}/natural/coefficients/{name}"),
        numeric(natural.shares[name].value, ".2f", f"{at}/natural/shares/{name}/value"),
        _cell(minimal, f"{at}/minimal/{name}") if minimal else "-",
    )


def _cell(one: Interval, at: str) -> Cell:
    return bounded(one.value, one.low, one.high, "+.3f", f"{at}/value")


def _notes(result: AuditResult, titles: Mapping[str, str]) -> tuple[str, ...]:
    fits = "; ".join(f"{titles[arm]} {found.natural.r2:.2f}" for arm, found in result.arms.items())
    planted = "; ".join(
        f"{titles[arm]} "
        + ", ".join(f"{name} {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for name, one in shares.items())
        for arm, found in result.arms.items()
        if found.planted is not None and (shares := found.planted.shares)
    )
    told: tuple[str, ...] = (
        f"Least squares of (arm - base) gaps of the mean log-probability on differences of attributes, "
        f"{result.pairs:,} test pairs, no constant; 95 % intervals of a bootstrap over pairs.",
        f"R²: {fits}.",
    )
    if planted:
        told += (f"Shares of the planted terms, regressed alone: {planted}.",)
    if result.minimal_pairs:
        told += (f"Minimal pairs: {result.minimal_pairs:,} of each attribute, with it minus without it.",)
    return told


def together(result: AuditResult, href: str) -> Sheet:
    """How far the attributes go together in the pairs."""
    names, at = list(result.collinearity.deviations), "/result/collinearity"
    rows = tuple(
        line(
            name,
            numeric(result.collinearity.deviations[name], ".3f", f"{at}/deviations/{name}"),
            numeric(result.collinearity.inflation[name], ".2f", f"{at}/inflation/{name}"),
            *(
                numeric(
                    result.collinearity.correlations[name][other], "+.2f", f"{at}/correlations/{name}/{other}"
                )
                for other in names
            ),
        )
        for name in names
    )
    headings = ("Attribute", "Root mean square", "VIF", *(f"with {name}" for name in names))
    notes = ("Differences within pairs, about zero. VIF: by how much the others widen its variance.",)
    return Sheet("audit-together", "Do the attributes go together?", headings, rows, notes, href)
