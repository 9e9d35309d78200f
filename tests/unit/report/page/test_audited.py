"""The behavioural audit on the page: tables by hand, a picture for each arm."""

from __future__ import annotations

from page_toys import audited

from harness.report.page import audited as page
from harness.report.page.blocks import Picture

TITLES = {"base": "Base", "full-simpo": "Full SimPO", "fsrl": "FSRL"}
CELL = "+0.125 [+0.100, +0.150]"


def test_the_effects_by_hand() -> None:
    """An attribute of the minimal pairs alone has no coefficient; one of the regression alone no pairs."""
    sheet = page.effects(audited(), "audit.json", TITLES)
    assert [row.texts for row in sheet.rows] == [
        ("Full SimPO", "style", CELL, "0.12", "-"),
        ("", "list items", CELL, "0.12", "-"),
        ("FSRL", "style", CELL, "0.12", CELL),
        ("", "list items", CELL, "0.12", "-"),
        ("", "layout", "-", "-", CELL),
        ("", "true against false choices (TruthfulQA, whole answers)", "-", "-", CELL),
    ]
    assert [row.group for row in sheet.rows] == [True, False, True, False, False, False]
    assert sheet.rows[3].cells[2].pointer == "/result/arms/fsrl/natural/coefficients/list items/value"
    assert sheet.rows[5].cells[4].pointer == "/result/arms/fsrl/truthful/value"


def test_the_notes_say_what_was_regressed() -> None:
    notes = page.effects(audited(), "audit.json", TITLES).notes
    assert "3,000 test pairs" in notes[0]
    assert notes[1] == "R²: Full SimPO 0.25; FSRL 0.25."
    assert notes[2] == (
        "Shares of the planted terms, regressed alone: FSRL style 0.12 [0.10, 0.15], truth 0.12 [0.10, 0.15]."
    )
    assert "400 of each attribute" in notes[3]
    bare = audited().model_copy(update={"minimal_pairs": 0})
    assert len(page.effects(bare, "audit.json", TITLES).notes) == 3


def test_how_far_attributes_go_together() -> None:
    sheet = page.together(audited(), "audit.json")
    assert [row.texts for row in sheet.rows] == [
        ("style", "0.250", "1.33", "+1.00", "-0.50"),
        ("list items", "2.000", "1.33", "-0.50", "+1.00"),
    ]


def test_a_picture_of_each_arm_with_a_panel_of_what_it_has() -> None:
    """Coefficients are drawn for one deviation of their attribute: 0.125 x 0.25 and 0.125 x 2."""
    result = audited()
    section = page.section("audit", result, "audit.json", TITLES)
    assert [one.name for one in section.blocks if isinstance(one, Picture)] == [
        "audit-full-simpo",
        "audit-fsrl",
    ]
    assert len(page.drawn(result.arms["full-simpo"], result).axes) == 1
    natural, minimal = page.drawn(result.arms["fsrl"], result).axes
    points = [line.get_xdata()[0] for line in natural.lines if line.get_marker() == "o"]
    assert points == [0.125 * 0.25, 0.125 * 2.0]
    assert [one.get_text() for one in minimal.get_yticklabels()] == ["style", "layout"]
