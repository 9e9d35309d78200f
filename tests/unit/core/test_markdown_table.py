"""A table in Markdown: Table 1 by hand, and escaping."""

from __future__ import annotations

import re

from harness.core.markdown_table import markdown
from harness.core.sheet import Sheet, line
from harness.findings.outcome import Outcome
from harness.paper.claims import read_paper
from harness.report.tables import table1

TABLE1 = """\
**Table 1. The bundled miniature: a 3 M parameter Gemma-2 in an invented world**

| Arm | SimPO loss ↓ (nats, n = 10) | SimPO loss + penalty ↓ (nats, n = 10) | MMLU ↑ (%, n = 20) | \
TruthfulQA MC2 ↑ (%, n = 20) | GSM8K strict ↑ (%, n = 20) | GSM8K flexible ↑ (%, n = 20) |
|---|---|---|---|---|---|---|
| Base | 6.000 ±0.180 | 6.000 ±0.180 | 50.0 ±11.5 | 41.0 ±0.2 | 60.0 ±11.2 | 60.0 ±11.2 |
| paper | not printed | not printed | lost | lost | lost | lost |
| Full SimPO | 4.000 ±0.082 | 4.000 ±0.082 | 90.0 ±6.9 | 56.0 ±0.2 | 20.0 ±9.2 | 20.0 ±9.2 |
"""


def squeezed(text: str) -> str:
    """Markdown without the padding that lines its columns up."""
    return re.sub(r"-{3,}", "---", re.sub(r" +", " ", text))


def test_table_1_in_markdown(outcome: Outcome) -> None:
    text = markdown(table1(outcome, read_paper()))
    assert squeezed(text).startswith(TABLE1)
    lines = squeezed(text).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == [
        "| Arm",
        "| Base",
        "| paper",
        "| Full SimPO",
        "| vs. base [95 % CI]",
        "| paper",
        "| FSRL",
        "| vs. base [95 % CI]",
        "| paper",
    ]
    fsrl = [line for line in lines if line.startswith("| vs. base")][1]
    # -0.75 is the difference of the penalised losses, 5.25 - 6; it is not tested, so that it has no star.
    assert "| -1.000 [-1.220, -0.780] \\* | -0.750 [-0.970, -0.530] | +10.0 [+0.0, +25.0] |" in fsrl
    assert lines[-2].startswith("- paper: arXiv 2509.12934v1; `lost`")


def test_markdown_cells_cannot_break_out() -> None:
    sheet = Sheet("x", "t", ("a|b",), (line("<script> * \n new", group=True),), ("n",))
    assert "| a\\|b |" in squeezed(markdown(sheet))
    assert "| &lt;script> \\* new |" in squeezed(markdown(sheet))
