"""The stage `analyse`: pairs by item, checks the logs against the scores, corrects over the whole family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_toys import Run
from statsmodels.stats.multitest import multipletests

from harness.core.errors import DamagedFileError, MissingInputError, NotComparableError
from harness.core.measures import measures
from harness.findings.outcome import Outcome
from harness.stages.stage import run_stage


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_differences_of_a_hand_made_run(outcome: Outcome) -> None:
    found = outcome.comparisons
    full = found.differences["full-simpo"]["base"]
    assert full["preference.loss"].effect == pytest.approx(-2.0)
    assert full["mmlu.acc"].effect == pytest.approx(8 / 20)
    assert full["mmlu.acc"].p == pytest.approx(2 / 2**8)
    assert full["gsm8k.strict-match"].effect == pytest.approx(-8 / 20)
    assert found.differences["fsrl"]["base"]["mmlu.acc"].p == pytest.approx(0.5)
    assert found.differences["fsrl"]["full-simpo"]["preference.loss"].effect == pytest.approx(1.0)
    # 3 pairs of arms x 5 tested measures; the penalised loss is not tested.
    assert found.family == 15
    assert full["preference.penalised_loss"].p is None
    # The smallest p values are those of the 6 bootstraps, 2 / 10,001: Holm multiplies the first with 15.
    assert full["preference.loss"].p_holm == pytest.approx(15 * 2 / 10_001)
    # full - base: 2 MMLU and 2 GSM8K tests with 2 / 2^8; six tests come before them: 9 * 0.0078125.
    assert full["mmlu.acc"].p_holm == pytest.approx(9 * 2 / 2**8)


def test_equivalence_tests_are_a_family_of_their_own(outcome: Outcome) -> None:
    found = outcome.comparisons
    tests = {
        (arm, reference, name): one
        for arm, by_reference in found.differences.items()
        for reference, by_measure in by_reference.items()
        for name, one in by_measure.items()
        if one.p_equivalent is not None
    }
    assert found.equivalence_family == len(tests) == 15
    p_values = [one.p_equivalent for one in tests.values()]
    corrected = multipletests(p_values, method="holm")[1]
    assert [one.p_equivalent_holm for one in tests.values()] == pytest.approx(list(corrected))
    sizes = {one.smallest for (_, _, name), one in tests.items() if name == "preference.loss"}
    assert sizes == {0.1}
    assert found.differences["fsrl"]["base"]["preference.penalised_loss"].smallest is None


def test_a_difference_can_be_asked_for_in_both_orders(outcome: Outcome) -> None:
    one = outcome.difference("fsrl", "full-simpo", "mmlu.acc")
    other = outcome.difference("full-simpo", "fsrl", "mmlu.acc")
    assert one is not None
    assert other is not None
    assert (one.effect, one.low, one.high) == (-other.effect, -other.high, -other.low)
    assert outcome.difference("fsrl", "nobody", "mmlu.acc") is None


def test_no_difference_has_no_sign_in_either_order(outcome: Outcome) -> None:
    none = outcome.comparisons.differences["fsrl"]["full-simpo"]["mmlu.acc"].model_copy(
        update={"effect": 0.0}
    )
    differences = {"fsrl": {"full-simpo": {"mmlu.acc": none}}}
    comparisons = outcome.comparisons.model_copy(update={"differences": differences})
    turned = outcome.model_copy(update={"comparisons": comparisons}).difference(
        "full-simpo", "fsrl", "mmlu.acc"
    )
    assert turned is not None
    assert f"{turned.effect:+.1f}" == "+0.0"


def test_subjects_are_no_columns_and_strict_comes_first(outcome: Outcome) -> None:
    assert outcome.measures == (
        "preference.loss",
        "preference.penalised_loss",
        "mmlu.acc",
        "truthfulqa_mc2.acc",
        "gsm8k.strict-match",
        "gsm8k.flexible-extract",
    )


def test_a_task_without_a_title_is_shown_under_its_own_name() -> None:
    found = measures(["arc"], ["arc.acc", "mmlu.acc"])
    assert [one.title for one in found] == ["SimPO loss", "SimPO loss + penalty", "arc.acc"]


def test_a_missing_arm_names_the_command(made_run: Run) -> None:
    made_run.paths.stage("evaluate", "fsrl").unlink()
    with pytest.raises(MissingInputError, match="python -m harness evaluate --profile miniature"):
        made_run.analysed()


def test_a_log_whose_mean_is_not_the_score_is_refused(made_run: Run) -> None:
    rewrite(made_run.paths.samples("fsrl") / "mmlu.jsonl", '"acc": 1.0', '"acc": 0.0')
    made_run.sign("fsrl")
    with pytest.raises(DamagedFileError, match=r"mmlu.acc = 0.55 over 20 items"):
        made_run.analysed()


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-5], lambda text: text.replace("metrics", "m"), lambda text: "[]\n" + text]
)
def test_a_damaged_log_is_refused_with_its_line(made_run: Run, damage: object) -> None:
    path = made_run.paths.samples("base") / "gsm8k.jsonl"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    made_run.sign("base")
    with pytest.raises(DamagedFileError, match=r"line \d+ of the sample log"):
        made_run.analysed()


def test_a_missing_log_is_refused(made_run: Run) -> None:
    (made_run.paths.samples("base") / "gsm8k.jsonl").unlink()
    made_run.sign("base")
    with pytest.raises(MissingInputError, match="a file is missing: the sample log"):
        made_run.analysed()


def test_other_items_are_refused_though_their_number_is_the_same(made_run: Run) -> None:
    rewrite(made_run.paths.samples("fsrl") / "mmlu.jsonl", '"doc_id": 0,', '"doc_id": 99,')
    made_run.sign("fsrl")
    with pytest.raises(DamagedFileError, match="not scored on the same items"):
        made_run.analysed()


def test_arms_that_were_asked_other_tokens_are_refused(made_run: Run) -> None:
    path = made_run.paths.stage("evaluate", "fsrl")
    rewrite(path, '"ids_sha256": ""', '"ids_sha256": "0123456789abcdef"')
    with pytest.raises(NotComparableError, match="base and fsrl got different tokens in") as error:
        made_run.analysed()
    assert error.value.value == "not recorded, 0123456789ab"


def test_the_order_of_lines_does_not_matter(made_run: Run) -> None:
    run_stage("analyse", made_run.profile, made_run.paths)
    first = json.loads(made_run.paths.stage("analyse").read_text())["result"]
    path = made_run.paths.samples("fsrl") / "mmlu.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    made_run.sign("fsrl")
    run_stage("analyse", made_run.profile, made_run.paths)
    assert json.loads(made_run.paths.stage("analyse").read_text())["result"] == first
