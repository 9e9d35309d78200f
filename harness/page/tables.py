"""Tables of the page: from findings to cells that point at the number they show."""

from __future__ import annotations

from collections.abc import Sequence

from harness.findings import (
    CONTEXTS,
    AblationResult,
    ClassificationResult,
    Composition,
    CompositionResult,
    DifferenceResult,
    GenerationsResult,
    Interval,
    RankingResult,
    TopKResult,
    UsageResult,
)
from harness.measure import BASE, measure
from harness.outcome import Outcome
from harness.page.blocks import Cell, Table
from harness.page.printed import Printed, PrintedFeature
from harness.render import Sheet

NOT_PRINTED = Cell("not printed")


def percent(value: float, decimals: int = 2, sign: str = "") -> str:
    return f"{100 * value:{sign}.{decimals}f}"


def interval(one: Interval, pointer: str, sign: str = "") -> Cell:
    """`17.59 [17.50, 17.68]`, in percent."""
    text = f"{percent(one.value, 2, sign)} [{percent(one.low, 2, sign)}, {percent(one.high, 2, sign)}]"
    return Cell(text, f"{pointer}/value", one.value)


def plain_error(one: Interval, pointer: str, sign: str = "") -> Cell:
    return Cell(f"{percent(one.value, 2, sign)} ±{percent(one.stderr)}", f"{pointer}/value", one.value)


def composition(result: CompositionResult, href: str, printed: Printed) -> Table:
    """Table 2: ours in both ways, the paper's beside them."""
    other = {
        (row.category, row.context): (i, row) for i, row in enumerate(result.rows) if row.way == "positions"
    }
    rows = []
    for i, row in enumerate(result.rows):
        if row.way == "examples":
            rows.append(_share_row(i, row, other.get((row.category, row.context)), printed))
    headings = (
        "Features",
        "Context",
        "SAE (%) [95 %]",
        "Steering (%) [95 %]",
        "Relative change (%) [95 %]",
        "every position a draw: SAE (%)",
        "every position a draw: change (%)",
        "Paper: SAE (%)",
        "Paper: change (%)",
    )
    notes = (
        f"Share of the category among the active features of a position (abs(value) > 1e-6), mean over "
        f"positions without padding; 95 % interval of a bootstrap over {result.examples} examples "
        f"({result.resamples:,} resamples, seed {result.seed}).",
        "`every position a draw`: the paper's way, with padding counted and ± a standard error as if all "
        "positions were independent, which they are not.",
        "Positions at which nothing is active have no share and are left out.",
    )
    return Table("table2", "Table 2. Composition of the active features", headings, tuple(rows), notes, href)


def _share_row(
    i: int, row: Composition, other: tuple[int, Composition] | None, printed: Printed
) -> tuple[Cell, ...]:
    at, paper = f"/result/rows/{i}", printed.share(row.category, row.context)
    cells = [
        Cell(row.category),
        Cell(CONTEXTS[row.context]),
        interval(row.sae, f"{at}/sae"),
        interval(row.steering, f"{at}/steering"),
        interval(row.change, f"{at}/change", "+"),
    ]
    if other is None:
        cells += [Cell("not kept"), Cell("not kept")]
    else:
        at = f"/result/rows/{other[0]}"
        cells += [plain_error(other[1].sae, f"{at}/sae"), plain_error(other[1].change, f"{at}/change", "+")]
    if paper is None:
        return (*cells, NOT_PRINTED, NOT_PRINTED)
    sae, change = f"{paper.sae:.2f} ±{paper.sae_error:.2f}", f"{paper.change:+.2f} ±{paper.change_error:.2f}"
    return (*cells, Cell(sae, sort=paper.sae), Cell(change, sort=paper.change))


def ranking(result: RankingResult, name: str, href: str, printed: Printed) -> Table:
    """Tables 3 and 4."""
    usage = result.by == "usage"
    paper = printed.table3 if usage else printed.table4
    rows = []
    for i, row in enumerate(result.rows):
        at = f"/result/rows/{i}"
        rows.append(
            (
                Cell(str(i + 1), sort=i + 1),
                Cell(str(row.feature), f"{at}/feature", row.feature),
                Cell(row.description or "(no description)", f"{at}/description"),
                Cell(", ".join(row.categories) or "neither", f"{at}/categories"),
                Cell(percent(row.usage), f"{at}/usage", row.usage),
                Cell(f"{row.mean_value:.4f}", f"{at}/mean_value", row.mean_value),
                Cell(f"{row.mean_active:.4f}", f"{at}/mean_active", row.mean_active),
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
    title = (
        "Table 3. Features steered most often"
        if usage
        else "Table 4. Features with the largest mean steering"
    )
    notes = (
        f"Over {result.positions:,} positions of prompt + chosen and prompt + rejected, without padding; "
        f"{result.never:,} features are never steered.",
        "The paper's features belong to another dictionary. Its Table 3 gives shares of all steering events, "
        "printed 100 times too large (0.0442 % as 4.42 %), not shares of positions."
        if usage
        else "The paper's features belong to another dictionary.",
    )
    return Table(name, title, headings, tuple(rows), notes, href)


def _printed_feature(rows: Sequence[PrintedFeature], place: int, unit: str) -> Cell:
    if place >= len(rows):
        return NOT_PRINTED
    row, spec = rows[place], ".2f" if unit else ".3f"
    return Cell(f"{row.feature}: {row.description} ({row.value:{spec}}{' ' if unit else ''}{unit})")


def top_k(result: TopKResult, href: str) -> Table:
    """The numbers of Figure 2."""
    rows = tuple(
        (
            Cell({"dynamic": "top k of each position", "static": "the same k everywhere"}[p.policy]),
            Cell(percent(p.fraction, 1), f"/result/points/{i}/fraction", p.fraction),
            Cell(str(p.kept), f"/result/points/{i}/kept", p.kept),
            Cell(f"{p.loss:.3f} ±{p.stderr:.3f}", f"/result/points/{i}/loss", p.loss),
            Cell(
                f"{p.difference:+.3f} [{p.low:+.3f}, {p.high:+.3f}]",
                f"/result/points/{i}/difference",
                p.difference,
            ),
            Cell(f"{p.mean_l0:.1f}", f"/result/points/{i}/mean_l0", p.mean_l0),
        )
        for i, p in enumerate(result.points)
    )
    headings = ("Policy", "Kept (%)", "k", "SimPO loss (nats)", "- learned policy [95 %]", "Mean L0")
    learned = 100 * result.learned_l0 / result.d_sae
    notes = (
        f"Learned policy: {result.learned_loss:.3f} ±{result.learned_stderr:.3f} nats at a mean L0 of "
        f"{result.learned_l0:.1f} ({learned:.2f} %); base model {result.base_loss:.3f}; "
        f"{result.pairs} pairs.",
        "k is relative to the whole dictionary, by abs(v). The static policy keeps the features with the "
        "largest mean v on these same pairs, which flatters it.",
        "Paper: a plateau after about 5 %, the learned policy at 1.42 % (L0 930); its later version: best "
        "2.69 at 1.60 %, learned 2.60 at 0.55 %.",
    )
    return Table("figure2-numbers", "Figure 2 in numbers", headings, rows, notes, href)


def difference(result: DifferenceResult, href: str) -> Table:
    """Where f and v differ most."""
    rows = tuple(
        (
            Cell(str(row.feature), f"/result/largest/{i}/feature", row.feature),
            Cell(row.description or "(no description)", f"/result/largest/{i}/description"),
            Cell(", ".join(row.categories) or "neither", f"/result/largest/{i}/categories"),
            Cell(f"{row.difference:+.4f}", f"/result/largest/{i}/difference", row.difference),
            Cell(f"{row.sae:.4f}", f"/result/largest/{i}/sae", row.sae),
            Cell(f"{row.steering:.4f}", f"/result/largest/{i}/steering", row.steering),
        )
        for i, row in enumerate(result.largest)
    )
    headings = ("Feature", "Description", "Category", "Mean f - v", "Mean f", "Mean v")
    notes = (
        f"Mean over features {result.mean:+.5f}, mean absolute {result.mean_absolute:.5f}; "
        f"{result.positive} features are above 0, {result.negative} below.",
    )
    return Table("figure3-numbers", "Figure 3: where f and v differ most", headings, rows, notes, href)


def usage(result: UsageResult, href: str) -> Table:
    """The fits of Figure 5."""
    rows = []
    for i, curve in enumerate(result.curves):
        at = f"/result/curves/{i}"
        slope = (
            Cell("n/a (too few)")
            if curve.slope is None
            else Cell(f"{curve.slope:.4f}", f"{at}/slope", curve.slope)
        )
        fit = Cell("n/a (too few)") if curve.r2 is None else Cell(f"{curve.r2:.3f}", f"{at}/r2", curve.r2)
        rows.append(
            (
                Cell(CONTEXTS[curve.context]),
                Cell(curve.group),
                Cell(str(curve.features), f"{at}/features", curve.features),
                Cell(str(curve.used), f"{at}/used", curve.used),
                slope,
                fit,
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
    return Table("figure5-numbers", "Figure 5: the fits", headings, tuple(rows), notes, href)


def ablation(result: AblationResult, href: str) -> Table:
    """Loss, difference and scores under each mask; random draws one by one."""
    names = sorted({name for row in result.rows for name in row.scores})
    rows = []
    for i, row in enumerate(result.rows):
        at = f"/result/rows/{i}"
        gap = f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        scores = (
            Cell(percent(row.scores[name], 1), f"{at}/scores/{name}", row.scores[name])
            if name in row.scores
            else Cell("n/a (not scored)")
            for name in names
        )
        rows.append(
            (
                Cell(row.masked if row.draw is None else f"{row.masked} ({row.draw + 1})"),
                Cell(str(row.features), f"{at}/features", row.features),
                Cell(f"{row.loss:.3f} ±{row.stderr:.3f}", f"{at}/loss", row.loss),
                Cell(gap, f"{at}/difference", row.difference),
                Cell(f"{row.mean_l0:.1f}", f"{at}/mean_l0", row.mean_l0),
                *scores,
            )
        )
    headings = ("Not steered", "Features", "SimPO loss (nats)", "- nothing masked [95 %]", "Mean L0")
    drawn = "; ".join(
        f"as many as {name}: {one.value:+.3f}, from {one.low:+.3f} to {one.high:+.3f}"
        for name, one in result.random.items()
    )
    notes = (
        f"{result.pairs} pairs; base model {result.base_loss:.3f}. Paired differences, bootstrap over pairs.",
        f"Random draws (seed {result.seed}) are from the steered features of neither category; mean "
        f"difference and range: {drawn}.",
        "Only features that are ever steered are masked and counted.",
    )
    title = "Evaluation with some features not steered"
    scored = tuple(f"{measure(name).title} (%)" for name in names)
    return Table("ablation", title, (*headings, *scored), tuple(rows), notes, href)


def classification(result: ClassificationResult, href: str, printed: Printed) -> Table:
    """Table 6: the classifier against the labels, the paper's language model beside it."""
    rows = []
    for i, row in enumerate(result.rows):
        at, counts = f"/result/rows/{i}", row.confusion
        paper = next((one for one in printed.table6 if one.category == row.category), None)
        shown = f"{row.mcc.value:.3f} [{row.mcc.low:.3f}, {row.mcc.high:.3f}]"
        cells = (getattr(counts, name) for name in ("tp", "tn", "fp", "fn"))
        rows.append(
            (
                Cell(row.category),
                Cell(row.text),
                Cell(f"{row.accuracy:.3f}", f"{at}/accuracy", row.accuracy),
                Cell(f"({', '.join(map(str, cells))})", f"{at}/confusion"),
                Cell(shown, f"{at}/mcc/value", row.mcc.value),
                NOT_PRINTED if paper is None else Cell(f"{paper.accuracy:.3f}", sort=paper.accuracy),
                NOT_PRINTED if paper is None else Cell(f"({paper.tp}, {paper.tn}, {paper.fp}, {paper.fn})"),
                NOT_PRINTED if paper is None else Cell(f"{paper.mcc:.3f}", sort=paper.mcc),
            )
        )
    headings = (
        "Category",
        "Explanation seen",
        "Accuracy",
        "(TP, TN, FP, FN)",
        "MCC [95 %]",
        "Paper: accuracy",
        "Paper: (TP, TN, FP, FN)",
        "Paper: MCC",
    )
    classifiers = ", ".join(dict.fromkeys(row.classifier for row in result.rows)) or "not validated"
    notes: tuple[str, ...] = (
        f"Classifier: {classifiers}; labels: {result.labels or 'none'}; {result.explained:,} features with "
        f"an explanation, {result.unexplained:,} without. Bootstrap over features.",
        "No explanation is judged by its own label. The paper's numbers are of a language model against 300 "
        "labels by hand for each category, of another dictionary.",
    )
    if any(row.text != "whole" for row in result.rows):
        notes = (
            *notes,
            "The lead-in of an explanation is made with the label and all but names it; without it only the "
            "tokens that activate the feature most are left.",
        )
    title = "Table 6. Categories from explanations, against labels"
    return Table("table6", title, headings, tuple(rows), notes, href)


def answers(result: GenerationsResult, href: str) -> Table:
    """Length and Markdown of each arm's answers."""
    rows = tuple(
        (
            Cell(title),
            Cell(f"{result.mean_tokens[arm]:.1f}", f"/result/mean_tokens/{arm}", result.mean_tokens[arm]),
            Cell(
                percent(result.mean_markdown[arm], 0),
                f"/result/mean_markdown/{arm}",
                result.mean_markdown[arm],
            ),
        )
        for arm, title in result.titles.items()
    )
    headings = ("Arm", "Mean length (tokens)", "Mean share of lines with Markdown (%)")
    notes = (f"{len(result.conversations)} prompts, from the front of the test pairs.",)
    return Table("answers-means", "Length and Markdown of the answers", headings, rows, notes, href)


def from_sheet(sheet: Sheet, href: str, pointers: Sequence[Sequence[str]]) -> Table:
    """A table of the harness' own; `pointers` has one for each cell after the first of a row, or none.

    A line that belongs to the one above it is given that one's name, so that the table can be sorted.
    """
    rows, group = [], ""
    for row, given in zip(sheet.rows, pointers, strict=True):
        group = row.cells[0] if row.group else group
        first = row.cells[0] if row.group else f"{group}: {row.cells[0].strip()}"
        rows.append((Cell(first), *(Cell(text, at) for text, at in zip(row.cells[1:], given, strict=True))))
    return Table(sheet.name, sheet.title, sheet.headings, tuple(rows), sheet.notes, href)


def table1_pointers(outcome: Outcome) -> list[list[str]]:
    """Scores, differences to the base and the paper's (which is in no artefact), arm by arm."""
    names, found = outcome.measures, []
    for arm in outcome.arms:
        found.append([f"/arms/{arm}/scores/{name}/value" for name in names])
        if arm != BASE:
            found.append([f"/comparisons/differences/{arm}/{BASE}/{name}/effect" for name in names])
        found.append([""] * len(names))
    return found


def cost_pointers(outcome: Outcome, width: int) -> list[list[str]]:
    """Usage of each arm's training; the last two columns are the paper's."""
    return [[f"/arms/{arm}/training_usage"] * (width - 3) + ["", ""] for arm in outcome.arms]
