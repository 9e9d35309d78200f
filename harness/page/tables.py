"""Tables about text: categories from explanations, and the answers of the arms."""

from __future__ import annotations

from harness.findings import ClassificationResult, GenerationsResult
from harness.page.blocks import Cell, Table
from harness.page.cells import NOT_PRINTED, percent
from harness.page.printed import Printed


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
