"""The result of planted truth: its counts add up, and the committed one follows its rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planted_toys import controls, result, trial

from harness.core.documents import read_result
from harness.core.errors import DamagedFileError
from harness.core.markdown_table import markdown
from harness.findings.activity import CompositionResult
from harness.findings.controls import ControlsResult
from harness.findings.reading import LABELS, composition_contrast, label
from harness.planted.result import PlantedResult, Trial
from harness.planted.rule import LEARNED, NOTHING, RULES, confusion, learned
from harness.planted.session import _together
from harness.planted.sheet import learned_sheet, seen_sheet, share_sheet, sheets, trial_sheet
from harness.report.page.controlled import controls_sheet


def read_planted(path: Path) -> PlantedResult:
    return read_result(path, PlantedResult, what="the result of the planted truth", made_by="planted-truth")


def nine() -> PlantedResult:
    """FSRL on three rewards with two seeds, full SimPO with one, and FSRL on the reward `nothing`.

    Seed 1's contrasts are in order, seed 2's are not. FSRL learns style from the mixed reward with seed 2,
    and is the only one to learn something else than was planted.
    """
    return result(
        trial("style-heavy", 1, 0.9), trial("mixed", 1, 0.5), trial("truth-heavy", 1, -0.9),
        trial(NOTHING, 1, None),
        trial("style-heavy", 2, 0.0), trial("mixed", 2, -0.5, taught="style-heavy"),
        trial("truth-heavy", 2, -0.4),
        trial("mixed", 1, None, arm="full-simpo"), trial(NOTHING, 1, None, arm="full-simpo"),
    )  # fmt: skip


def test_the_counts_by_hand() -> None:
    """Learned: rows are what was planted. Seen: rows are what was learned, of the arm that steers alone."""
    found = nine()
    assert found.seeds == (1, 2)
    assert list(found.learned) == ["fsrl", "full-simpo"]
    assert found.learned["fsrl"] == {
        "style-heavy": {"style-heavy": 2, "mixed": 0, "truth-heavy": 0, "nothing": 0},
        "mixed": {"style-heavy": 1, "mixed": 1, "truth-heavy": 0, "nothing": 0},
        "truth-heavy": {"style-heavy": 0, "mixed": 0, "truth-heavy": 2, "nothing": 0},
        "nothing": {"style-heavy": 0, "mixed": 0, "truth-heavy": 0, "nothing": 1},
    }
    assert found.learned["full-simpo"]["mixed"]["mixed"] == 1
    assert found.seen["ablation"] == {
        "style-heavy": {"style-heavy": 1, "mixed": 1, "truth-heavy": 1},
        "mixed": {"style-heavy": 1, "mixed": 0, "truth-heavy": 0},
        "truth-heavy": {"style-heavy": 0, "mixed": 0, "truth-heavy": 2},
        "nothing": {"style-heavy": 0, "mixed": 0, "truth-heavy": 0},
    }
    assert found.recovered["ablation"]["mixed"] == {"style-heavy": 1, "mixed": 0, "truth-heavy": 1}
    assert found.recovered["ablation"]["style-heavy"] == {"style-heavy": 1, "mixed": 1, "truth-heavy": 0}
    assert found.order == {name: {"1": True, "2": False} for name in RULES}


def test_the_sheets_by_hand() -> None:
    found = nine()
    first = learned_sheet(found)
    assert [row.texts for row in first.rows[:2]] == [
        ("fsrl", "style-heavy", "2", "0", "0", "0"),
        ("", "mixed", "1", "1", "0", "0"),
    ]
    assert first.rows[4].texts[0] == "full-simpo"
    # Of nine trainings two are on `nothing`; of the other seven one learned something else.
    assert "in 6 of 7 trainings on a reward that can be learned" in first.notes[0]
    assert first.notes[1].startswith("9 trainings of 6,000 pairs, 2 training seed(s) (1, 2)")
    assert "uncommitted" not in first.notes[2]
    second = seen_sheet(found)
    assert second.rows[0].texts == ("Composition (Table 2)", "style-heavy", "1", "1", "1")
    assert len(second.rows) == len(RULES) * len(LEARNED)
    assert "Composition (Table 2): 1 of 2 seeds; Causal ablation: 1 of 2 seeds" in second.notes[1]
    assert all(markdown(one).count("\n") > 5 for one in sheets(found))
    assert len({one.name for one in sheets(found)}) == 5


def test_an_arm_that_does_not_steer_has_dashes_and_no_shares() -> None:
    found = result(trial("mixed", 1, None, arm="full-simpo"), trial(NOTHING, 1, None), trial("mixed", 1, 0.2))
    full, nothing, steers = (row.texts for row in trial_sheet(found).rows)
    assert full[:4] == ("mixed", "1, 1", "full-simpo", "1")
    assert full[5:10] == ("-", "0.50", "0.50 [0.48, 0.52]", "0.40", "mixed")
    assert full[10:] == ("-",) * 4
    assert (nothing[6], nothing[9]) == ("-", "nothing")
    assert steers[10:12] == ("+0.200: style-heavy", "+0.200: mixed")
    assert steers[12].endswith("60 features (random: +0.0000)")
    assert len(share_sheet(found).rows) == 6, "three contexts of two categories, of one trial of three"


def test_the_controls_by_hand() -> None:
    """Four of five right, and no kind wrong in every draw: `style` once, `random` never."""
    found = controls(
        {
            "style": ("style-heavy", "mixed"),
            "truth": ("truth-heavy", "truth-heavy"),
            "both": ("mixed", "mixed"),
            "neither": ("mixed", "mixed"),
            "random": ("style-heavy", "truth-heavy"),
        }
    )
    sheet = controls_sheet(found, "planted-truth-controls")
    assert sheet.rows[0].texts == (
        "Composition (Table 2)", "1 of 2", "2 of 2", "2 of 2", "2 of 2", "0 of 2", "7 of 10", "no",
    )  # fmt: skip
    assert sheet.rows[1].texts[-1] == "no: reads no adapter"


def test_the_controls_of_every_seed_are_draws_of_one_result() -> None:
    one = controls({"style": ("style-heavy",), "truth": ("mixed",)})
    both: ControlsResult = _together([one, one])
    assert [(each.kind, each.draw) for each in both.controls] == [
        ("style", 0), ("truth", 0), ("style", 1), ("truth", 1),
    ]  # fmt: skip
    assert (both.margins, both.blind, both.pairs) == (one.margins, one.blind, one.pairs)


def test_uncommitted_changes_anywhere_mark_the_result() -> None:
    found = result(trial("mixed", 1, 0.0), dirty=True)
    assert found.dirty is True
    assert "with uncommitted changes" in learned_sheet(found).notes[2]
    assert result(trial("mixed", 1, 0.0), dirty=None).dirty is None
    assert found.order["ablation"] == {}


def test_the_artefact_has_a_version(tmp_path: Path) -> None:
    found = result(trial("mixed", 1, 0.0))
    path = tmp_path / "planted-truth.json"
    path.write_text(found.model_dump_json())
    assert read_planted(path) == found
    for broken in ({"schema_version": 0}, {"profile": 3}):
        path.write_text(json.dumps(found.model_dump(mode="json") | broken))
        with pytest.raises(DamagedFileError, match="planted truth"):
            read_planted(path)


def test_the_committed_result_follows_its_rules() -> None:
    root = Path(__file__).parents[3] / "results" / "miniature"
    found = [read_planted(path) for path in root.glob("*/planted-truth/planted-truth.json")]
    if not found:
        pytest.skip("no result of planted-truth is committed for the present world")
    for one in found:
        assert one.dirty is False
        assert one.margins == {name: rule.margin for name, rule in RULES.items()}
        for each in one.trials:
            assert each.learned == learned(each.audit)
            _follows_the_rules(each)
        _counts_add_up(one)


def _follows_the_rules(one: Trial) -> None:
    if one.seen is None:
        return
    assert one.seen.readings == {
        name: label(one.seen.contrasts[name], rule.margin) for name, rule in RULES.items()
    }
    kept = CompositionResult(rows=one.seen.composition, examples=1, resamples=1, seed=0)
    assert composition_contrast(kept) == pytest.approx(one.seen.contrasts["composition"])


def _counts_add_up(one: PlantedResult) -> None:
    steering = [(each, each.seen) for each in one.trials if each.seen is not None]
    for name in RULES:
        read = [(each.learned, seen.readings[name]) for each, seen in steering]
        assert one.seen[name] == confusion(read, LEARNED, LABELS)
    for arm, table in one.learned.items():
        mine = [(each.reward, each.learned) for each in one.trials if each.arm == arm]
        assert table == confusion(mine, LEARNED, LEARNED)
