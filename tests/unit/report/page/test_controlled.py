"""The oracle controls on the page."""

from __future__ import annotations

from page_toys import NASTY, controlled

from harness.report.page.controlled import controls_sheet, section


def test_the_table_by_hand() -> None:
    """Composition is right 15 times of 15; ablation says style of every oracle: 3 right, four kinds never."""
    sheet = controls_sheet(controlled(), "controls", "controls.json")
    assert sheet.headings == (
        "Analysis", "style: style-heavy", "truth: truth-heavy", "both: mixed", "neither: mixed",
        "random: mixed", "Right", "Tells them apart",
    )  # fmt: skip
    assert [row.texts for row in sheet.rows] == [
        ("Composition (Table 2)", *["3 of 3"] * 5, "15 of 15", "yes"),
        ("Causal ablation", "3 of 3", *["0 of 3"] * 4, "3 of 15", "no"),
        ("Table 6 (classification)", *["-"] * 6, f"no: {NASTY}"),
    ]


def test_the_section_links_to_its_artefact() -> None:
    found = section("controls", controlled(), "controls.json")
    assert found.name == "section-controls"
    assert [block.href for block in found.blocks] == ["controls.json"]
