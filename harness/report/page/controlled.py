"""The oracle controls on the page: which analyses see what is there."""

from __future__ import annotations

from harness.core.sheet import Sheet, line
from harness.findings.controls import RIGHT, ControlsResult, able, right
from harness.report.page.blocks import Section

ANALYSES = {
    "composition": "Composition (Table 2)",
    "ablation": "Causal ablation",
    "usage": "Table 3 (most often)",
    "value": "Table 4 (most strongly)",
    "top-k": "Figure 2 (static top-k)",
    "classification": "Table 6 (classification)",
}
INTRO = "Adapters made by hand steer features of a known kind: which analyses say what they steer?"


def section(name: str, result: ControlsResult, href: str) -> Section:
    """One table."""
    table = controls_sheet(result, "controls", href)
    return Section(f"section-{name}", "Controls of the analyses", INTRO, (table,))


def controls_sheet(result: ControlsResult, name: str, href: str = "") -> Sheet:
    """Analysis by kind of oracle: how many controls are read right."""
    rows = []
    for analysis in result.margins:
        counts = right(result.controls, analysis)
        good, whole = (sum(column) for column in zip(*counts.values(), strict=True))
        cells = (f"{some} of {many}" for some, many in counts.values())
        verdict = "yes" if able(result.controls, analysis) else "no"
        rows.append(line(ANALYSES[analysis], *cells, f"{good} of {whole}", verdict))
    rows += [
        line(ANALYSES[analysis], *("-" for _ in RIGHT), "-", f"no: {reason}")
        for analysis, reason in result.blind.items()
    ]
    kinds = (f"{kind}: {wanted}" for kind, wanted in RIGHT.items())
    notes = (
        "Oracle adapters steer known features with a trained adapter's weights "
        "(docs/decisions/0115-three-truths.md). Heading: what is steered, and the right reading. An analysis "
        "tells them apart where four of five are right and no kind is wrong in every draw.",
    )
    headings = ("Analysis", *kinds, "Right", "Tells them apart")
    return Sheet(name, "Do the analyses see what is there?", headings, tuple(rows), notes, href)
