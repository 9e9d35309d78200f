"""Every kind of finding has a section, in a part of the page."""

from __future__ import annotations

from typing import get_args

from harness.findings import Finding
from harness.report.page.studies import PARTS, SECTIONS


def test_every_kind_of_finding_has_a_section() -> None:
    kinds = get_args(get_args(Finding)[0])
    assert set(SECTIONS) == set(kinds)
    assert {place for place, _ in SECTIONS.values()} <= set(PARTS)
