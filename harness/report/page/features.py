"""Tables about features: which are active, which are steered, how often and how much."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.sheet import Cell, Row, Sheet, line, numeric, plus_minus
from harness.findings.activity import (
    CONTEXTS,
    Composition,
    CompositionResult,
    DifferenceResult,
    RankingResult,
    UsageResult,
)
from harness.paper.printed import Printed, PrintedFeature, PrintedShare
from harness.report.page.blocks import NOT_PRINTED, interval, plain_error


def composition(result: CompositionResult, href: str, printed: Printed) -> Sheet:
    """Table 2: our values computed in both ways and by both denominators, and the paper's."""
    other = {_place(row): (i, row) for i, row in enumerate(result.rows) if row.way == "positions"}
    places = {_place(row) for row in result.rows}
    rows = []
    for i, row in enumerate(result.rows):
        if row.way == "examples":
            as_the_authors = row.denominator == "classified" or (*_place(row)[:2], "classified") not in places
            paper = printed.share(row.category, row.context) if as_the_authors else None
            rows.append(_share_row(i, row, other.get(_place(row)), paper))
    headings = (
        "Features",
        "Context",
        "Share of the active features that are",
        "SAE (%) [95 % CI]",
        "Steering (%) [95 % CI]",
        "Relative change (%) [95 % CI]",
        "every position a draw: SAE (%)",
        "every position a draw: change (%)",
        "Paper: SAE (%)",
        "Paper: change (%)",
    )
    notes = (
        _denominators(result),
        f"Share of the category among the active features of a position (abs(value) > 1e-6), mean over "
        f"positions without padding; 95 % interval of a bootstrap over {result.examples} examples "
        f"({result.resamples:,} resamples, seed {result.seed}).",
        "`every position a draw`: the paper's way, with padding counted and ± a standard error as if all "
        "positions were independent, which they are not.",
        "Positions at which nothing is active have no share and are left out.",
    )
    return Sheet("table2", "Table 2. Composition of the active features", headings, tuple(rows), notes, href)


def _place(row: Composition) -> tuple[str, str, str]:
    return row.category, row.context, row.denominator


def _denominators(result: CompositionResult) -> str:
    if result.classified is None:
        return "The denominator is all active features; the authors count the classified ones only."
    return (
        "`classified`: of the active features only those with a label (`other` is one), "
        f"{result.classified:,} of {result.d_sae:,} features, as in the authors' code. The paper's values "
        "stand beside these. Claims are judged by `any`, all active features."
    )


def _share_row(
    i: int, row: Composition, other: tuple[int, Composition] | None, paper: PrintedShare | None
) -> Row:
    at = f"/result/rows/{i}"
    cells: list[Cell | str] = [
        row.category,
        CONTEXTS[row.context],
        "any" if row.denominator == "active" else "classified",
        interval(row.sae, f"{at}/sae"),
        interval(row.steering, f"{at}/steering"),
        interval(row.change, f"{at}/change", "+"),
    ]
    if other is None:
        cells += ["not kept", "not kept"]
    else:
        at = f"/result/rows/{other[0]}"
        cells += [plain_error(other[1].sae, f"{at}/sae"), plain_error(other[1].change, f"{at}/change", "+")]
    if paper is None:
        return line(*cells, NOT_PRINTED, NOT_PRINTED)
    sae = plus_minus(paper.sae, paper.sae_error, ".2f")
    return line(*cells, sae, plus_minus(paper.change, paper.change_error, "+.2f"))


def ranking(result: RankingResult, name: str, href: str, printed: Printed) -> Sheet:
    """Tables 3 and 4."""
    usage = result.by == "usage"
    paper = printed.table3 if usage else printed.table4
    rows = []
    for i, row in enumerate(result.rows):
        at = f"/result/rows/{i}"
        rows.append(
            line(
                numeric(i + 1, "d"),
                numeric(row.feature, "d", f"{at}/feature"),
                Cell(row.description or "(no description)", f"{at}/description"),
                Cell(", ".join(row.categories) or "neither", f"{at}/categories"),
                numeric(row.usage, ".2f", f"{at}/usage", 100),
                numeric(row.mean_value, ".4f", f"{at}/mean_value"),
                numeric(row.mean_active, ".4f", f"{at}/mean_active"),
                _printed_feature(paper, i, "%" if usage else ""),
            )
        )
    headings = (
        "Rank",
        "Feature",
        "Description",
        "Category",
        "Usage (% of positions)",
        "Mean v (all positions)",
        "Mean v (where steered)",
        "Paper, at this rank",
    )
    most = "3. Features steered most often" if usage else "4. Features with the largest mean steering"
    notes = (
        f"Over {result.positions:,} positions of prompt + chosen and prompt + rejected, without padding; "
        f"{result.never:,} features are never steered.",
        "The paper's features belong to another dictionary. Its Table 3 gives shares of all steering events, "
        "printed 100 times too large (0.0442 % as 4.42 %), not shares of positions."
        if usage
        else "The paper's features belong to another dictionary.",
    )
    return Sheet(name, f"Table {most}", headings, tuple(rows), notes, href)


def _printed_feature(rows: Sequence[PrintedFeature], place: int, unit: str) -> Cell:
    if place >= len(rows):
        return NOT_PRINTED
    row, spec = rows[place], ".2f" if unit else ".3f"
    return Cell(f"{row.feature}: {row.description} ({row.value:{spec}}{' ' if unit else ''}{unit})")


def difference(result: DifferenceResult, href: str) -> Sheet:
    """Where f and v differ most."""
    rows = tuple(
        line(
            numeric(row.feature, "d", f"/result/largest/{i}/feature"),
            Cell(row.description or "(no description)", f"/result/largest/{i}/description"),
            Cell(", ".join(row.categories) or "neither", f"/result/largest/{i}/categories"),
            numeric(row.difference, "+.4f", f"/result/largest/{i}/difference"),
            numeric(row.sae, ".4f", f"/result/largest/{i}/sae"),
            numeric(row.steering, ".4f", f"/result/largest/{i}/steering"),
        )
        for i, row in enumerate(result.largest)
    )
    headings = ("Feature", "Description", "Category", "Mean f - v", "Mean f", "Mean v")
    notes = (
        f"Mean over features {result.mean:+.5f}, mean absolute {result.mean_absolute:.5f}; "
        f"{result.positive} features are above 0, {result.negative} below.",
    )
    return Sheet("figure3-numbers", "Figure 3: where f and v differ most", headings, rows, notes, href)


def usage(result: UsageResult, href: str) -> Sheet:
    """The fits of Figure 5."""
    rows = []
    for i, curve in enumerate(result.curves):
        at = f"/result/curves/{i}"
        rows.append(
            line(
                CONTEXTS[curve.context],
                curve.group,
                numeric(curve.features, "d", f"{at}/features"),
                numeric(curve.used, "d", f"{at}/used"),
                numeric(curve.slope, ".4f", f"{at}/slope", missing="n/a (too few)"),
                numeric(curve.r2, ".3f", f"{at}/r2", missing="n/a (too few)"),
            )
        )
    headings = (
        "Context",
        "Features",
        "In the group",
        "Ever steered",
        "Slope (log10 usage per percentile)",
        "R²",
    )
    notes = (
        "Linear fit of log10(usage) against the rank percentile over the features that are steered at all.",
    )
    return Sheet("figure5-numbers", "Figure 5: the fits", headings, tuple(rows), notes, href)
