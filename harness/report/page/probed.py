"""Linear probes on the page: what can be read from the residual stream, by arm and block."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.sheet import Sheet, line, numeric
from harness.findings.probes import ProbesResult
from harness.report.page.blocks import Section, interval

INTRO = (
    "Can truth and style be read from the residual stream at all, on subjects that the probe has not seen?"
)


def section(name: str, result: ProbesResult, href: str, titles: Mapping[str, str]) -> Section:
    """One table.

    Args:
        titles: of the arms.
    """
    rows = tuple(
        line(
            titles[one.arm],
            str(one.layer),
            one.attribute,
            interval(one.accuracy, f"{at}/accuracy"),
            numeric(one.chance, ".1f", f"{at}/chance", 100),
        )
        for at, one in ((f"/result/probes/{i}", one) for i, one in enumerate(result.probes))
    )
    notes = (
        f"Logistic regression on the mean residual stream of each of {result.answers:,} answers; "
        f"{result.folds} folds, no subject in two of them; 95 % intervals over folds. Chance: the commonest "
        f"class. After block {result.layer}, where the SAE reads, an arm that steers has the base's stream.",
    )
    headings = ("Arm", "After block", "Attribute", "Right (%)", "Chance (%)")
    table = Sheet("probes", "What a linear probe reads", headings, rows, notes, href)
    return Section(f"section-{name}", "Probes", INTRO, (table,))
