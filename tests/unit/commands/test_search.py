"""The search for learning rates: what each training is, what its table says, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.commands import search
from harness.commands.search import _tried, run, sheet, variant
from harness.core.artefact import Artefact
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PreferenceScores, Score, TrainResult, Truncation
from harness.findings.search import SearchResult, Tried, least
from harness.profiles.profile import Profile, load_profile, parse_profile

DEV = "preferences/miniature/dev.jsonl"


def searched(profile: Profile) -> Profile:
    rates = {"full-simpo": [1e-4, 1e-3, 3e-3], "fsrl": [1e-3, 1e-2, 3e-2]}
    return parse_profile(
        profile.resolved() | {"search": {"pairs": DEV, "learning_rates": rates}}, where="the test"
    )


def score(value: float) -> Score:
    return Score(value=value, stderr=0.1, n=1000)


def tried(arm: str, rate: float, loss: float, l0: float | None) -> Tried:
    return Tried(
        arm=arm, learning_rate=rate, loss=score(loss), accuracy=score(0.75), penalised_loss=score(loss),
        mean_l0=l0, early=3.25, late=3.125, train_s=61.5,
    )  # fmt: skip


def result() -> SearchResult:
    """Full SimPO's least is in the middle of its grid, FSRL's at its end."""
    found = (
        tried("full-simpo", 1e-4, 4.0, None), tried("full-simpo", 1e-3, 3.0, None),
        tried("full-simpo", 3e-3, 3.5, None),
        tried("fsrl", 1e-3, 4.5, 12.0), tried("fsrl", 1e-2, 4.25, 24.0), tried("fsrl", 3e-2, 4.125, 36.0),
    )  # fmt: skip
    return SearchResult(
        command="python -m harness search", profile="miniature", pairs=DEV, n=1000, base_loss=score(5.0),
        tried=found, chosen=least(found), commits=("a" * 40,), dirty=False, provenance={},
    )  # fmt: skip


def test_a_training_is_one_arm_at_one_rate_on_the_development_pairs(profile: Profile) -> None:
    own = searched(profile)
    assert own.search is not None
    one = variant(own, own.search, "fsrl", 3e-2)
    assert list(one.arms) == ["fsrl"]
    assert one.arms["fsrl"].options == own.arms["fsrl"].options | {"learning_rate": 3e-2}
    assert one.data == own.data.model_copy(update={"test": DEV, "test_pairs": 0})
    assert (one.training, one.model, one.sae) == (own.training, own.model, own.sae)
    assert (one.evaluation.tasks, one.studies, one.search, one.assumed) == ({}, {}, None, {})
    assert own.data.test not in json.dumps(one.resolved()), "no test row is read"


def test_the_base_is_scored_on_the_same_pairs(profile: Profile) -> None:
    own = searched(profile)
    assert own.search is not None
    base = variant(own, own.search, "base", 0.0)
    assert list(base.arms) == ["base"]
    assert base.arms["base"] == own.arms["base"]
    assert base.data.test == DEV


def test_the_table_marks_the_least_of_each_arm() -> None:
    found = sheet(result(), load_profile("miniature"))
    assert [row.texts[:3] for row in found.rows] == [
        ("Full SimPO", "0.0001", "4.000"), ("", "0.001 *", "3.000"), ("", "0.003", "3.500"),
        ("FSRL", "0.001", "4.500"), ("", "0.01", "4.250"), ("", "0.03 *", "4.125"),
    ]  # fmt: skip
    assert found.rows[0].texts[3:] == ("0.750", "n/a", "-", "3.250", "3.125", "62")
    assert found.rows[3].texts[5] == "12.0"
    assert [row.group for row in found.rows] == [True, False, False, True, False, False]


def test_the_edge_of_the_grid_is_said() -> None:
    """FSRL's best rate is the greatest tried; full SimPO's is not."""
    one = result()
    assert (
        "At the edge of the grid, a better rate may lie beyond: FSRL."
        in sheet(one, load_profile("miniature")).notes[0]
    )
    inner = one.model_copy(update={"chosen": {"full-simpo": 1e-3, "fsrl": 1e-2}})
    assert "edge" not in sheet(inner, load_profile("miniature")).notes[0]
    assert (
        "1,000 development pairs (preferences/miniature/dev.jsonl)"
        in sheet(inner, load_profile("miniature")).notes[0]
    )


@pytest.mark.parametrize(
    ("trace", "early", "late"),
    [
        ([float(i) for i in range(20)], 16.5, 18.5),
        ([float(i) for i in range(15)], 13.0, 14.0),
        ([5.0], 5.0, 5.0),
    ],
    ids=["tenths of two steps", "tenths of one step", "one step"],
)
def test_the_flatness_of_the_curve_by_hand(trace: list[float], early: float, late: float) -> None:
    """The last tenth of the steps, and the one before it."""
    preference = PreferenceScores(
        loss=score(1.0), penalised_loss=score(1.5), accuracy=score(0.5), chosen_reward=score(-1.0),
        rejected_reward=score(-2.0), mean_l0=7.0, mean_l1=1.0,
        truncation=Truncation(pairs=1, truncated_prompts=0, truncated_responses=0),
    )  # fmt: skip

    def made(result: dict[str, Any]) -> Artefact:
        return Artefact.model_construct(result=result)

    artefacts = [
        made({}),
        made(TrainResult(trained=True, loss_trace=tuple(trace)).model_dump(mode="json")),
        made({"preference": preference.model_dump(mode="json")}),
    ]
    found = _tried(load_profile("miniature-smoke"), RunPaths(root=Path("nowhere")), "fsrl", 0.1, artefacts)
    assert (found.early, found.late) == (early, late)
    assert (found.loss.value, found.penalised_loss.value, found.mean_l0) == (1.0, 1.5, 7.0)


def test_what_is_refused(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    with pytest.raises(ProfileError, match="declares no search"):
        run(load_profile("miniature-smoke"), paths)
    with pytest.raises(ProfileError, match="no such arm") as caught:
        run(load_profile("miniature"), paths, arm=["sas"])
    assert caught.value.remedy == "choose of: full-simpo, fsrl"
    assert list(tmp_path.iterdir()) == []


def test_the_refusal_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--arm", "sas", "--run-dir", str(tmp_path)]) == 2
    assert "the search has no such arm" in capsys.readouterr().err


def test_one_arm_is_trained_and_the_table_waits(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, float]] = []

    def train(_profile: Profile, _paths: RunPaths, _section: Any, arm: str, rate: float) -> list[Artefact]:
        asked.append((arm, rate))
        return []

    monkeypatch.setattr(search, "_train", train)
    assert run(searched(profile), RunPaths(root=tmp_path), arm=["fsrl"]) is None
    assert asked == [("fsrl", 1e-3), ("fsrl", 1e-2), ("fsrl", 3e-2)]
    assert list(tmp_path.iterdir()) == []
    assert "the table waits for the other arms" in "".join(capsys.readouterr())


PROFILE = """\
extends = "miniature"
name = "tiny-search"
[data]
train_pairs = 32
[training]
pairs_per_device = 4
accumulation = 1
minimum_moved = 0.0
threads = 1
[evaluation]
threads = 1
[search.learning_rates]
full-simpo = [1e-4, 1e-3]
fsrl = [1e-3, 1e-2]
"""


@pytest.mark.slow
def test_a_real_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four trainings and the base on 1,000 development pairs; a second run reuses all of them and saves."""
    path = tmp_path / "tiny.toml"
    path.write_text(PROFILE)
    profile, paths = load_profile(str(path)), RunPaths(root=tmp_path / "run")
    found = run(profile, paths)
    assert found is not None
    assert [(one.arm, one.learning_rate) for one in found.tried] == [
        ("full-simpo", 1e-4), ("full-simpo", 1e-3), ("fsrl", 1e-3), ("fsrl", 1e-2),
    ]  # fmt: skip
    assert found.n == 1000
    assert len({one.loss.value for one in found.tried}) == 4, "each rate is another training"
    assert [one.mean_l0 is None for one in found.tried] == [True, True, False, False]
    assert found.chosen == least(found.tried)
    written = (paths.root / "search/search.json").read_bytes()
    assert SearchResult.model_validate_json(written) == found
    log = (paths.root / "search/fsrl-0.01/fsrl/samples/preference.jsonl").read_text().splitlines()
    assert len(log) == 1000
    capsys.readouterr()
    again = run(profile, paths, save=True, results=tmp_path / "results")
    assert "".join(capsys.readouterr()).count("reused") >= 15, "five folders of three stages"
    assert again is not None
    assert again.tried == found.tried
    assert [one.name for one in sorted(tmp_path.glob("results/tiny-search/*/search/*"))] == [
        "search.json", "search.md",
    ]  # fmt: skip


def test_an_arm_without_a_rate_is_refused(profile: Profile, tmp_path: Path) -> None:
    rates = {"base": [1e-3, 1e-2], "fsrl": [1e-3, 1e-2]}
    own = parse_profile(
        profile.resolved() | {"search": {"pairs": DEV, "learning_rates": rates}}, where="the test"
    )
    with pytest.raises(ProfileError, match="an arm without a learning_rate"):
        run(own, RunPaths(root=tmp_path))
