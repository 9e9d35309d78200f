"""The section on the form of the policy: shares with intervals, the reading, and no share of no gain."""

from __future__ import annotations

from typing import Any

from harness.core.results import Interval
from harness.core.sheet import Sheet
from harness.findings.policy_form import Form, PolicyFormResult
from harness.report.page.policy import section

ONE = Interval(value=0.5, stderr=0.01, low=0.48, high=0.52)


def result(**changes: Any) -> PolicyFormResult:
    forms = [
        Form(name="constant", rank=0, share=ONE, in_sample=0.51),
        Form(name="affine", rank=8, share=ONE, in_sample=0.6, loss_share=ONE),
        Form(name="gating", rank=0, share=ONE, in_sample=0.7),
    ]
    fields: dict[str, Any] = {
        "positions": "response",
        "fit_pairs": 150,
        "scored_pairs": 150,
        "fit_tokens": 10_000,
        "scored_tokens": 9_992,
        "rms": 1.5,
        "matched_rank": 10,
        "forms": tuple(forms),
        "reading": "mixed",
        "reading_by_loss": "affine",
        "gain": ONE,
        "draws": 2000,
        "seed": 42,
    }
    return PolicyFormResult(**fields | changes)


def table(found: PolicyFormResult) -> Sheet:
    (sheet,) = section("policy", found, "studies/policy.json").blocks
    assert isinstance(sheet, Sheet)
    return sheet


def test_a_row_for_each_form_with_pointers_into_the_artefact() -> None:
    sheet = table(result())
    assert [row.texts[0] for row in sheet.rows] == ["constant", "affine map, rank 8", "gating"]
    assert sheet.rows[1].texts[1:] == ("0.500 [0.480, 0.520]", "0.600", "0.500 [0.480, 0.520]")
    assert sheet.rows[1].cells[3].pointer == "/result/forms/1/loss_share/value"
    assert sheet.rows[0].texts[3] == "not shown"
    assert "mixed: none" in sheet.notes[1]
    assert "By loss: affine" in sheet.notes[1]
    assert "+0.500 nats [+0.480, +0.520]." in sheet.notes[-1]


def test_without_a_gain_there_is_no_share_of_it() -> None:
    none = Interval(value=0.01, stderr=0.1, low=-0.2, high=0.2)
    sheet = table(result(gain=none, reading_by_loss=None))
    assert "not surely above 0" in sheet.notes[-1]
    assert "By loss: not shown" in sheet.notes[1]
    assert len(table(result(gain=None)).notes) == len(sheet.notes) - 1
