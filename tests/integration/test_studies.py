"""Every study on the bundled miniature: few pairs, and an adapter that steers at random."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.__main__ import main
from harness.arm import load_arm, scene
from harness.core.artefact import Artefact, digest_file, read_artefact, write_artefact
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.core.provenance import provenance
from harness.core.results import PrepareResult, TrainResult
from harness.findings import parse_finding
from harness.findings.activity import CensusResult
from harness.findings.controls import RIGHT
from harness.findings.features import read_features
from harness.findings.masked import AblationResult
from harness.miniature.minimal import ATTRIBUTES
from harness.models.base_model import load_model
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.sources.bundle.files import read_bundle
from harness.sources.bundle.rows import data_root
from harness.stages.stage import run_stage
from harness.stages.study import run_studies

PAIRS = 12


def small() -> Profile:
    data = load_profile("miniature").model_dump(mode="json")
    data["data"]["test_pairs"] = PAIRS
    data["arms"] = {name: data["arms"][name] for name in ("base", "fsrl")}
    data["studies"] = {k: v for k, v in data["studies"].items() if "axis" not in v}  # sweeps train
    data["studies"]["figure2"] |= {"fractions": [0.01, 1.0], "pairs": 5}
    data["evaluation"]["tasks"] = {"gsm8k": {"num_fewshot": 1, "limit": 6, "max_new_tokens": 12}}
    data["studies"]["ablation"] |= {"draws": 2, "tasks": ["gsm8k"], "limits": {"gsm8k": 4}, "prompts": 3}
    data["studies"]["ablation"] |= {"shown": 2, "max_new_tokens": 12}
    data["studies"]["classification"] |= {"folds": 2, "resamples": 200}
    data["studies"]["answers"] |= {"prompts": 2, "max_new_tokens": 12}
    data["studies"]["table2"]["resamples"] = 200
    data["studies"]["audit"] |= {"counted": ["words"], "minimal": 3, "resamples": 100}
    data["studies"]["controls"] |= {"draws": 1, "pairs": 4, "resamples": 50}
    return parse_profile(data, where="test")


def steer_at_random(profile: Profile, paths: RunPaths, seed: int) -> None:
    """What `train` would leave, with random weights of a size that steers some features at each position."""
    prepared = PrepareResult.model_validate(read_artefact(paths.stage("prepare"), made_by="prepare").result)
    model = load_model(Path(prepared.model_dir), profile.model, torch.device("cpu"))
    arm: Any = load_arm(profile, "fsrl", scene(profile, prepared))
    arm.prepare(model)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        adapter = arm.steering.adapter
        adapter.weight.normal_(0, 0.01, generator=draw)
        adapter.bias.normal_(-0.02, 0.02, generator=draw)
    arm.save(model, paths.weights("fsrl"))
    finish(profile, paths, "fsrl", sorted(paths.weights("fsrl").iterdir()))


def json_rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def finish(profile: Profile, paths: RunPaths, arm: str, files: list[Path]) -> None:
    artefact = Artefact(
        stage="train", arm=arm, key="by hand", profile=profile.resolved(), inputs={},
        outputs={file.relative_to(paths.root).as_posix(): digest_file(file) for file in files},
        provenance=provenance(42), wall_s=0.0,
        result=TrainResult(trained=bool(files)).model_dump(mode="json"),
    )  # fmt: skip
    write_artefact(paths.stage("train", arm), artefact)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    paths, profile = RunPaths(root=tmp_path_factory.mktemp("studies") / "run"), small()
    run_stage("prepare", profile, paths)
    finish(profile, paths, "base", [])
    steer_at_random(profile, paths, 1)
    run_stage("evaluate", profile, paths)
    return paths


@pytest.fixture(scope="module")
def studied(trained: RunPaths) -> dict[str, Any]:
    run_studies(small(), trained, [])
    names = small().studies
    return {
        name: parse_finding(read_artefact(trained.stage(f"studies/{name}"), made_by="").result, where=name)
        for name in names
    }


@pytest.fixture
def copy(trained: RunPaths, studied: object, tmp_path: Path) -> RunPaths:
    return RunPaths(root=Path(shutil.copytree(trained.root, tmp_path / "run", symlinks=True)))


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


def test_the_audit_regresses_what_the_logs_say(studied: dict[str, Any], trained: RunPaths) -> None:
    """Against least squares on the two logs and the file's own columns."""
    logs = {
        arm: [
            json.loads(line) for line in (trained.samples(arm) / "preference.jsonl").read_text().splitlines()
        ]
        for arm in ("base", "fsrl")
    }
    beta = small().training.beta
    gaps = {
        arm: [(one["metrics"]["chosen_reward"] - one["metrics"]["rejected_reward"]) / beta for one in rows]
        for arm, rows in logs.items()
    }
    pairs = [json.loads(line) for line in (data_root() / small().data.test).read_text().splitlines()[:PAIRS]]
    columns = [
        [row[f"{name}_chosen"] - row[f"{name}_rejected"] for row in pairs] for name in ("style", "truth")
    ]
    wanted = np.linalg.lstsq(
        np.array(columns).T, np.array(gaps["fsrl"]) - np.array(gaps["base"]), rcond=None
    )[0]
    found = studied["audit"].arms["fsrl"]
    assert [one.value for one in found.planted.coefficients.values()] == pytest.approx(wanted.tolist())
    assert list(found.natural.coefficients) == ["style", "truth", "words"]
    assert tuple(found.minimal) == ATTRIBUTES
    assert all(one.value != 0 for one in found.minimal.values())
    assert found.truthful is None, "the profile does not score TruthfulQA"
    assert (studied["audit"].pairs, studied["audit"].minimal_pairs) == (PAIRS, 3)


def test_oracles_steer_what_they_are_said_to(studied: dict[str, Any]) -> None:
    """One of each kind. Of the style oracle every used feature is a style feature, and masking the alignment
    features changes nothing; of the truth oracle likewise.
    """
    result = studied["controls"]
    found = {one.kind: one for one in result.controls}
    assert list(found) == list(RIGHT)
    assert result.pairs == 4
    for kind, sign in (("style", 1.0), ("truth", -1.0)):
        contrasts = found[kind].contrasts
        assert [contrasts[name] for name in ("usage", "value", "top-k")] == [sign] * 3
        assert contrasts["ablation"] in (sign, 0.0)
        assert contrasts["composition"] * sign > 0
    assert found["both"].steered == found["style"].steered + found["truth"].steered
    assert found["neither"].contrasts["usage"] == found["neither"].contrasts["ablation"] == 0.0


def test_studies_of_some_pairs_count_the_first_of_them(copy: RunPaths) -> None:
    data = small().model_dump(mode="json")
    data["studies"]["census"]["pairs"] = data["studies"]["ablation"]["pairs"] = 5
    data["studies"]["ablation"] |= {"tasks": [], "limits": {}, "prompts": 0}
    run_studies(parse_profile(data, where="test"), copy, ["ablation"])
    census, ablation = (
        parse_finding(read_artefact(copy.stage(f"studies/{name}"), made_by="").result, where=name)
        for name in ("census", "ablation")
    )
    log = (copy.samples("base") / "preference.jsonl").read_text().splitlines()[:5]
    losses = [json.loads(line)["metrics"]["loss"] for line in log]
    assert isinstance(census, CensusResult)
    assert isinstance(ablation, AblationResult)
    assert (census.examples, ablation.pairs) == (5, 5)
    assert ablation.base_loss == pytest.approx(statistics.fmean(losses))


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
    assert "choose one of: audit, census, table2" in capsys.readouterr().err
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
