"""The ablation on the page: masks beside random masks."""

from __future__ import annotations

from page_toys import findings

from harness.findings.masked import AblationResult
from harness.report.page import masked


def test_masks_stand_beside_random_masks() -> None:
    """Inside or outside of the interval of one further draw; losses in nats, shares in percent."""
    result = findings()["ablation"]
    assert isinstance(result, AblationResult)
    rows = [list(row.texts) for row in masked.contrasts(result, "x.json").rows]
    assert rows == [
        ["style", "SimPO loss (nats)", "10", "+0.500", "+0.125 [+0.100, +0.150]", "yes"],
        ["style", "MMLU (%)", "8", "+12.5", "+12.5 [+10.0, +15.0]", "no"],
        ["style", "Lines with Markdown (%)", "4", "-25.0", "+12.5 [+10.0, +15.0]", "yes"],
    ]
    every = masked.under_masks(result, "x.json")
    assert every.headings[-2:] == masked.ANSWER_HEADINGS
    assert list(every.rows[0].texts[-2:]) == ["12.5", "25.0"]
