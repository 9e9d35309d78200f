"""Categories of features from their explanations, compared with labels and the paper's language model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.artefact import Artefact
from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric
from harness.findings import parse_finding
from harness.findings.classification import ClassificationResult, Validated
from harness.findings.features import CATEGORIES
from harness.paper.printed import Printed
from harness.report.page.blocks import NOT_PRINTED, Section

KINDS = {"endpoint": "language model, endpoint", "local": "language model, here", "nearest": "nearest labels"}
PAPER = ("Paper: accuracy", "Paper: (TP, TN, FP, FN)", "Paper: MCC")
AGREEMENT = ("Accuracy", "(TP, TN, FP, FN)", "MCC [95 % CI]")
HEADINGS = ("Classifier", "Kind", "Category", "In it", "Labelled", *AGREEMENT)


def table6(result: ClassificationResult, href: str, printed: Printed) -> Sheet:
    """The study's table: the offline classifier against the known categories."""
    rows = tuple(
        line(row.category, row.text, *_agreement(row, f"/result/rows/{i}"), *_paper(row.category, printed))
        for i, row in enumerate(result.rows)
    )
    headings = ("Category", "Explanation seen", *AGREEMENT, *PAPER)
    classifiers = ", ".join(dict.fromkeys(row.classifier for row in result.rows)) or "not validated"
    notes: tuple[str, ...] = (
        f"Classifier: {classifiers}; labels: {result.labels or 'none'}; {result.explained:,} features with "
        f"an explanation, {result.unexplained:,} without. Bootstrap over features.",
        "No explanation is judged by its own label. The paper's numbers are of a language model against 300 "
        "labels by hand for each category, of another dictionary.",
    )
    if any(row.text != "whole" for row in result.rows):
        notes += (
            "The lead-in of an explanation is made with the label and all but names it; without it only the "
            "tokens that activate the feature most are left.",
        )
    title = "Table 6. Categories from explanations, against labels"
    return Sheet("table6", title, headings, rows, notes, href)


def sections(artefacts: Mapping[str, Artefact], folder: str, printed: Printed) -> tuple[Section, ...]:
    """What the command `classify` left, every classifier that was run; nothing where none was.

    Args:
        artefacts: by kind of classifier.
        folder: of the artefacts as seen from the page.
    """
    if not artefacts:
        return ()
    rows = tuple(
        row
        for kind, artefact in artefacts.items()
        for row in _classifier_rows(kind, artefact, f"{folder}/{kind}.json", printed)
    )
    notes = (
        "In it: features that the classifier puts into the category, of those with an explanation. "
        "Labelled: those with a label too; the rest of the line is counted and resampled over them.",
        "The paper's numbers are of a language model against 300 labels by hand for each category, of "
        "another dictionary.",
    )
    first = f"{folder}/{next(iter(artefacts))}.json"
    table = Sheet("classifiers", "Every classifier that was run", (*HEADINGS, *PAPER), rows, notes, first)
    intro = "Categories by `classify`: how each classifier agrees with the labels."
    return (Section("classifiers", "Classifiers", intro, (table,)),)


def _classifier_rows(kind: str, artefact: Artefact, href: str, printed: Printed) -> Iterator[Row]:
    result = parse_finding(artefact.result, where=href)
    if not isinstance(result, ClassificationResult):
        return
    validated = {row.category: (i, row) for i, row in enumerate(result.rows)}
    for category in (name for name in CATEGORIES if name in result.positives):
        count = result.positives[category]
        inside = Cell(f"{count:,} of {result.explained:,}", f"/result/positives/{category}", count, href)
        head = (result.classifier or "not named", KINDS.get(kind, kind), category, inside)
        found = validated.get(category)
        if found is None:
            yield line(*head, Cell("0", number=0), *("n/a (no labels)",) * 3, *_paper(category, printed))
            continue
        i, row = found
        cells, at = row.confusion, f"/result/rows/{i}"
        labelled = cells.tp + cells.tn + cells.fp + cells.fn
        yield line(
            *head,
            Cell(f"{labelled:,}", f"{at}/confusion", labelled, href),
            *(cell._replace(href=href) for cell in _agreement(row, at)),
            *_paper(category, printed),
        )


def _agreement(row: Validated, at: str) -> tuple[Cell, Cell, Cell]:
    """Accuracy, counts and coefficient."""
    counts = ", ".join(str(getattr(row.confusion, name)) for name in ("tp", "tn", "fp", "fn"))
    mcc = row.mcc
    return (
        numeric(row.accuracy, ".3f", f"{at}/accuracy"),
        Cell(f"({counts})", f"{at}/confusion"),
        bounded(mcc.value, mcc.low, mcc.high, ".3f", f"{at}/mcc/value"),
    )


def _paper(category: str, printed: Printed) -> tuple[Cell, Cell, Cell]:
    paper = next((one for one in printed.table6 if one.category == category), None)
    if paper is None:
        return NOT_PRINTED, NOT_PRINTED, NOT_PRINTED
    return (
        numeric(paper.accuracy, ".3f"),
        Cell(f"({paper.tp}, {paper.tn}, {paper.fp}, {paper.fn})"),
        numeric(paper.mcc, ".3f"),
    )
