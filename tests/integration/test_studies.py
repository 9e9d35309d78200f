"""Every study on the bundled miniature: few pairs, and an adapter that steers at random."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from study_toys import PAIRS, small, steer_at_random

from harness.__main__ import main
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.findings.features import read_features
from harness.profiles.profile import load_profile, parse_profile
from harness.sources.bundle.files import read_bundle
from harness.stages.stage import run_stage
from harness.stages.study import run_studies


def test_the_census_gives_the_l0_of_the_evaluation(studied: dict[str, Any]) -> None:
    """Two code paths, batches of other shapes: the same mean number of steered features."""
    contexts = studied["census"].contexts
    both = [contexts["prompt_chosen"], contexts["prompt_rejected"]]
    l0 = sum(one.mean_l0["steering"] * one.positions for one in both) / sum(one.positions for one in both)
    assert studied["census"].evaluated_l0 == pytest.approx(l0, rel=1e-4)
    assert l0 > 10


def test_all_features_are_the_learned_policy(studied: dict[str, Any]) -> None:
    result = studied["figure2"]
    whole = [point for point in result.points if point.fraction == 1.0]
    assert {point.policy for point in whole} == {"dynamic", "static"}
    for point in whole:
        assert (point.difference, point.low, point.high) == (0, 0, 0)
        assert point.loss == result.learned_loss
    few = next(p for p in result.points if p.policy == "dynamic" and p.fraction == 0.01)
    assert few.kept == 10
    assert few.mean_l0 == pytest.approx(10, abs=0.5)
    assert few.difference != 0


def test_figure_2_of_some_pairs_has_the_base_loss_of_the_same(
    studied: dict[str, Any], trained: RunPaths
) -> None:
    log = (trained.samples("base") / "preference.jsonl").read_text().splitlines()
    losses = [json.loads(line)["metrics"]["loss"] for line in log]
    assert len(losses) == PAIRS
    assert studied["figure2"].pairs == 5
    assert studied["figure2"].base_loss == pytest.approx(statistics.fmean(losses[:5]))
    assert studied["figure2"].base_loss != pytest.approx(statistics.fmean(losses))


def test_nothing_masked_is_the_learned_policy(studied: dict[str, Any]) -> None:
    rows = studied["ablation"].rows
    assert [row.masked for row in rows[:3]] == ["nothing", "alignment", "style"]
    assert rows[0].difference == 0
    assert all(row.difference != 0 and row.mean_l0 < rows[0].mean_l0 for row in rows[1:])
    assert len(rows) == 3 + 2 * 2
    assert rows[3].features == rows[1].features


def test_every_measure_is_taken_under_every_mask(studied: dict[str, Any]) -> None:
    """Tasks with the ablation's own number of items, answers, and both against the random draws."""
    result = studied["ablation"]
    names = {"gsm8k.strict-match", "gsm8k.flexible-extract"}
    for row in result.rows:
        assert set(row.scores) == names
        assert 0 < row.answer_tokens <= 12
        assert 0 <= row.markdown <= 1
    assert len(result.contrasts) == 2 * (1 + len(names) + 2)
    items = {one.measure: one.items for one in result.contrasts}
    assert items == {"preference.loss": PAIRS, **dict.fromkeys(names, 4), "answer_tokens": 3, "markdown": 3}
    for one in result.contrasts:
        if one.measure == "preference.loss":
            row = next(row for row in result.rows if row.masked == one.masked)
            assert one.effect == pytest.approx(row.difference)
            assert one.random.value == pytest.approx(result.random[one.masked].value)


def test_answers_under_the_masks(studied: dict[str, Any]) -> None:
    result = studied["ablation"]
    shown = result.answers
    assert [answer.arm for answer in shown.conversations[0].answers] == [
        "nothing", "alignment", "style", "random, as many as alignment (1)", "random, as many as style (1)",
    ]  # fmt: skip
    assert len(shown.conversations) == 2
    assert shown.mean_tokens["style"] == result.rows[2].answer_tokens
    known = read_features(read_bundle("miniature").root / "features.jsonl")
    for conversation in shown.conversations:
        masked = next(answer for answer in conversation.answers if answer.arm == "style")
        steered = {feature for token in masked.tokens for feature, _ in token.features}
        assert steered
        assert not any("style" in known[feature].categories for feature in steered if feature in known)


def test_answers_have_their_features(studied: dict[str, Any]) -> None:
    result = studied["answers"]
    assert [answer.arm for answer in result.conversations[0].answers] == ["base", "fsrl"]
    for conversation in result.conversations:
        base, fsrl = conversation.answers
        assert not any(token.features for token in base.tokens)
        assert all(token.features for token in fsrl.tokens)
        assert "".join(token.text for token in fsrl.tokens) == fsrl.text
        for token in fsrl.tokens:
            sizes = [abs(value) for _, value in token.features]
            assert sizes == sorted(sizes, reverse=True)


def test_a_finished_study_is_not_made_again(copy: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    before = copy.stage("studies/census").read_bytes()
    run_studies(small(), copy, ["table2"])
    assert capsys.readouterr().err.count("reused") == 2
    assert copy.stage("studies/census").read_bytes() == before


def test_an_option_makes_that_study_stale_and_no_other(
    copy: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small().model_dump(mode="json")
    data["studies"]["table3"]["first"] = 3
    run_studies(parse_profile(data, where="test"), copy, ["table3", "table4"])
    said = capsys.readouterr().err
    assert "studies/table3: running again (changed: study)" in said
    assert said.count("reused") == 2


def test_another_adapter_makes_all_stale(copy: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    steer_at_random(small(), copy, 2)
    run_stage("evaluate", small(), copy)
    run_studies(small(), copy, ["table3"])
    said = capsys.readouterr().err
    assert "studies/census: running again (changed: arm fsrl, scores fsrl)" in said
    assert "studies/table3: running again" in said


@pytest.mark.parametrize("line", [b"\xff\n", b"[" * 100_000, b'{"feature": 1e999, "label": "style"}'])
def test_a_file_of_features_that_cannot_be_read_is_refused(
    copy: RunPaths, tmp_path: Path, line: bytes
) -> None:
    (tmp_path / "features.jsonl").write_bytes(line)
    section = {"source": "data_root", "file": "features.jsonl"}
    profile = parse_profile({**small().model_dump(mode="json"), "features": section}, where="test")
    with pytest.raises(DamagedFileError, match="line 1 of the feature descriptions"):
        run_studies(profile, RunPaths(root=copy.root, data_root=tmp_path), ["table3"])


def test_before_the_training_there_is_nothing_to_study(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    run_stage("prepare", small(), paths)
    with pytest.raises(MissingInputError, match="harness train"):
        run_studies(small(), paths, ["table2"])


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--profile", "miniature", "--run-dir", str(tmp_path)]
    assert main(["study", "--study", "table9", *given]) == 2
    assert "choose one of: audit, probe, census" in capsys.readouterr().err
    assert main(["page", *given]) == 3
    assert "harness report --profile miniature" in capsys.readouterr().err


def test_unknown_studies_and_options(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="table2, table3"):
        run_studies(small(), RunPaths(root=tmp_path), ["table9"])
    data = small().model_dump(mode="json")
    data["studies"]["table3"]["frist"] = 3
    with pytest.raises(ProfileError, match=r"studies\.table3\.frist"):
        run_studies(parse_profile(data, where="test"), RunPaths(root=tmp_path), ["table3"])
    data["studies"]["table3"] = {**load_profile("miniature").studies["table3"].model_dump(), "arm": "base"}
    with pytest.raises(ProfileError, match="steers SAE features"):
        run_studies(parse_profile(data, where="test"), RunPaths(root=tmp_path), ["table3"])
    with pytest.raises(ProfileError, match="no studies"):
        run_studies(parse_profile({**data, "studies": {}}, where="test"), RunPaths(root=tmp_path), [])
