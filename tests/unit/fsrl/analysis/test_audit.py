"""The behavioural audit on sample logs made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrl.analysis import audit
from harness.audit import regression
from harness.core.errors import DamagedFileError, DataError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.core.text import text_hash
from harness.findings.audit import ArmAudit, AuditResult
from harness.profiles.profile import Profile
from harness.profiles.sections import StudySection
from harness.study import StudyScene, study_config

# Differences of six pairs, by which the gaps of the arms are set: style, truth, words.
STYLE, TRUTH, WORDS = [1, -1, 0, 2, 0, 1], [0, 1, 1, 0, -1, 1], [1, 2, -1, 0, 3, -2]
BASE = [0.1, -0.2, 0.3, 0.0, 0.5, -0.4]
ARMS = {"full-simpo": (2.0, -1.0, 0.0), "fsrl": (0.0, 0.5, 0.25)}
"""Coefficients that the toy arms have learned."""
BETA = 10.0


def answer(words: int) -> str:
    return " ".join(["word"] * words)


def row(place: int) -> dict[str, Any]:
    def turn(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    return {
        "prompt": turn("user", f"question {place}"),
        "chosen": turn("assistant", answer(5 + WORDS[place])),
        "rejected": turn("assistant", answer(5)),
        "style_chosen": 3.0 + STYLE[place], "style_rejected": 3.0,
        "truth_chosen": 0.0, "truth_rejected": float(-TRUTH[place]),
    }  # fmt: skip


def key(place: int) -> str:
    return text_hash(f"question {place}", answer(5 + WORDS[place]), answer(5))


def write(path: Path, found: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in found))


def log(paths: RunPaths, arm: str, gaps: list[float], keys: list[str]) -> None:
    """Rewards are beta x mean log-probability; those of the rejected answers are -30."""
    found = [
        {"doc_hash": one, "metrics": {"chosen_reward": BETA * gap - 30.0, "rejected_reward": -30.0}}
        for one, gap in zip(keys, gaps, strict=True)
    ]
    write(paths.samples(arm) / "preference.jsonl", found)


def learned(arm: str) -> list[float]:
    a, b, c = ARMS[arm]
    return [
        base + a * style + b * truth + c * words
        for base, style, truth, words in zip(BASE, STYLE, TRUTH, WORDS, strict=True)
    ]


def questions(paths: RunPaths, root: Path) -> None:
    """Two questions. FSRL moves the first's choices by 1, 0, -1 (the first is true): 1 + 1/2; the second's by
    1/2, 3/2, 0 (the first two are true): 1 - 0. Full SimPO moves all alike. The logs have the last first.
    """
    write(root / audit.QUESTIONS, [{"mc2_targets": {"labels": one}} for one in ([1, 0, 0], [1, 1, 0])])
    scores = {
        "base": ([-1.0, -2.0, -3.0], [-1.0, -1.0, -2.0]),
        "full-simpo": ([-2.0, -3.0, -4.0], [0.0, 0.0, -1.0]),
        "fsrl": ([0.0, -2.0, -4.0], [-0.5, 0.5, -2.0]),
    }
    for arm, found in scores.items():
        rows = [
            {"doc_id": place, "responses": {"none": [[one, False] for one in found[place]]}}
            for place in (1, 0)
        ]
        write(paths.samples(arm) / "truthfulqa_mc2.jsonl", rows)


@pytest.fixture
def toy(profile: Profile, tmp_path: Path) -> StudyScene:
    """Six scored pairs in an order that is not the file's, which has a seventh that was not scored."""
    paths, root = RunPaths(root=tmp_path / "run"), tmp_path / "data"
    assert profile.training.beta == BETA
    other = row(0) | {"prompt": [{"role": "user", "content": "not scored"}]}
    write(
        root / profile.data.test, [row(place) for place in (3, 5, 0)] + [other] + [row(i) for i in (1, 2, 4)]
    )
    keys = [key(place) for place in range(6)]
    log(paths, "base", BASE, keys)
    for arm in ARMS:
        log(paths, arm, learned(arm), keys)
    questions(paths, root)
    prepared = PrepareResult(model_dir="", sae_dir="", data_root=str(root), files={}, facts={})
    return StudyScene(profile, paths, "fsrl", prepared, {}, {}, tmp_path)


CONFIG = audit.Config(
    columns=("style", "truth"), counted=("words",), planted=("style", "truth"), minimal=0, resamples=20
)


def audited(scene: StudyScene, config: audit.Config = CONFIG) -> AuditResult:
    found = audit.run(config, scene)
    assert isinstance(found.result, AuditResult)
    assert found.files == ()
    return found.result


def coefficients(one: ArmAudit) -> tuple[float, ...]:
    return tuple(found.value for found in one.natural.coefficients.values())


@pytest.fixture(autouse=True)
def _pairs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pairs are too few to draw from: every resample has each of them once."""

    def once(y_N: Any, x_NxA: Any, resamples: int, _seed: int) -> Any:
        found_A = np.linalg.solve(x_NxA.T @ x_NxA, x_NxA.T @ y_N)
        return np.repeat(found_A[None], resamples, axis=0)

    monkeypatch.setattr(regression, "_bootstrap", once)


def test_each_arm_is_held_against_the_base_pair_by_pair(toy: StudyScene) -> None:
    """The base's own gaps fall out: the coefficients are those that the gaps were set by, in nats a token."""
    found = audited(toy)
    assert list(found.arms) == ["full-simpo", "fsrl"], "the base is zero by definition"
    assert list(found.arms["fsrl"].natural.coefficients) == ["style", "truth", "words"]
    for arm, wanted in ARMS.items():
        assert coefficients(found.arms[arm]) == pytest.approx(wanted)
        assert found.arms[arm].natural.r2 == pytest.approx(1.0)
    assert (found.pairs, found.minimal_pairs, found.resamples) == (6, 0, 20)
    assert found.collinearity.deviations["style"] == pytest.approx((7 / 6) ** 0.5)


def test_an_arm_that_scores_as_the_base_has_learned_nothing(toy: StudyScene) -> None:
    log(toy.paths, "fsrl", BASE, [key(place) for place in range(6)])
    found = audited(toy).arms["fsrl"]
    assert coefficients(found) == (0.0, 0.0, 0.0)
    assert found.natural.r2 == 0.0


def test_the_planted_terms_are_regressed_alone_too(toy: StudyScene) -> None:
    """Full SimPO's gaps have no words in them, so leaving words out changes nothing."""
    found = audited(toy).arms
    one = found["full-simpo"].planted
    assert one is not None
    assert [each.value for each in one.coefficients.values()] == pytest.approx([2.0, -1.0])
    # Mean squares 7/6 and 4/6: shares of 4 x 7 and 1 x 4.
    assert one.shares["style"].value == pytest.approx(28 / 32)
    assert found["fsrl"].planted is not None
    assert found["fsrl"].planted.r2 < 0.999
    alone = audited(toy, audit.Config(counted=("words",), resamples=20)).arms["fsrl"]
    assert alone.planted is None
    assert list(alone.natural.coefficients) == ["words"]


def test_truthful_by_hand(toy: StudyScene) -> None:
    """FSRL: 1.5 and 1, mean 1.25; a shift of all choices alike is none."""
    found = audited(toy).arms
    assert found["fsrl"].truthful is not None
    assert found["fsrl"].truthful.value == pytest.approx(1.25)
    assert found["full-simpo"].truthful is not None
    assert found["full-simpo"].truthful.value == pytest.approx(0.0)


def test_a_profile_without_the_questions_says_nothing_of_them(toy: StudyScene) -> None:
    section = toy.profile.evaluation.model_copy(update={"tasks": {}})
    without = toy._replace(profile=toy.profile.model_copy(update={"evaluation": section}))
    assert audited(without).arms["fsrl"].truthful is None


def test_arms_scored_on_other_pairs_are_refused(toy: StudyScene) -> None:
    """The same pairs in another order are other pairs: gaps are subtracted line by line."""
    log(toy.paths, "fsrl", learned("fsrl")[::-1], [key(place) for place in range(6)][::-1])
    with pytest.raises(MissingInputError, match="other pairs") as caught:
        audited(toy)
    assert (caught.value.value, "evaluate" in caught.value.remedy) == ("fsrl", True)


def test_arms_scored_on_other_questions_are_refused(toy: StudyScene) -> None:
    one = {"doc_id": 0, "responses": {"none": [[0.0, False]] * 3}}
    write(toy.paths.samples("fsrl") / "truthfulqa_mc2.jsonl", [one])
    with pytest.raises(MissingInputError, match="other questions"):
        audited(toy)


def test_an_arm_that_was_not_evaluated_is_refused(toy: StudyScene) -> None:
    (toy.paths.samples("fsrl") / "preference.jsonl").unlink()
    with pytest.raises(MissingInputError, match="pairs' scores"):
        audited(toy)


def test_a_scored_pair_that_the_file_does_not_have_is_refused(toy: StudyScene) -> None:
    write(Path(toy.prepared.data_root) / toy.profile.data.test, [row(0), row(1)])
    with pytest.raises(DataError, match="not in the file of pairs"):
        audited(toy)


def test_a_row_without_a_column_is_refused_by_its_line(toy: StudyScene) -> None:
    path = Path(toy.prepared.data_root) / toy.profile.data.test
    found = [row(place) for place in range(6)]
    del found[3]["truth_rejected"]
    write(path, found)
    with pytest.raises(DataError, match="truth_rejected") as caught:
        audited(toy)
    assert "line 4" in str(caught.value)
    assert "columns" in caught.value.remedy


def test_a_log_without_a_reward_is_refused(toy: StudyScene) -> None:
    write(toy.paths.samples("fsrl") / "preference.jsonl", [{"doc_hash": key(0), "metrics": {}}])
    with pytest.raises(DamagedFileError, match="chosen_reward"):
        audited(toy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "at least one attribute"),
        ({"counted": ["wrods"]}, "nothing counts 'wrods'; choose of: words"),
        ({"columns": ["style"], "planted": ["truth"]}, "planted names 'truth'"),
        ({"columns": ["style"], "minimal": -1}, "greater than or equal to 0"),
        ({"columns": ["style"], "colour": 1}, "colour"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    table = {"module": "fsrl.analysis.audit", "arm": "fsrl"} | options
    with pytest.raises(ProfileError, match=said):
        study_config(StudySection.model_validate(table), "audit")
