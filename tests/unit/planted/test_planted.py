"""Planted truth: the pairs hold what was planted, the rules read cases worked by hand, the counts add up."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.core.documents import read_result
from harness.core.errors import DamagedFileError, ProfileError
from harness.core.markdown_table import markdown
from harness.core.paths import RunPaths
from harness.core.results import Score
from harness.findings import CONTEXTS, Ablated, AblationResult, Composition, CompositionResult, Interval
from harness.miniature.world import DEFAULT_SEED, Reward, World, make_world
from harness.planted.figure import figure
from harness.planted.result import PlantedResult, Trial, assemble
from harness.planted.reward import REWARDS, SIDES, Planted, planted, ranked_sets, style_share, write_root
from harness.planted.rule import (
    LABELS,
    RULES,
    ablation_contrast,
    composition_contrast,
    confusion,
    harms,
    label,
    ordered,
)
from harness.planted.session import run, variant
from harness.planted.sheet import confusion_sheet, sheets
from harness.profiles.profile import load_profile
from harness.sources.data_root import read_files

Sets = dict[str, dict[str, list[dict[str, Any]]]]
HARDWARE = {"class": "cpu-x86_64-2c"}


def read_planted(path: Path) -> PlantedResult:
    return read_result(path, PlantedResult, what="the result of the planted truth", made_by="planted-truth")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(DEFAULT_SEED)


@pytest.fixture(scope="module")
def sets(world: World) -> Sets:
    return {name: ranked_sets(world, reward) for name, reward in REWARDS.items()}


def answers(row: dict[str, Any]) -> list[str]:
    return sorted(row[side][0]["content"] for side in SIDES)


def test_only_the_ranking_changes(sets: Sets) -> None:
    for split in ("train", "test"):
        chats = {
            name: [(row["prompt"], answers(row)) for row in found[split]] for name, found in sets.items()
        }
        assert chats["style-heavy"] == chats["mixed"] == chats["truth-heavy"]
    first, last = sets["style-heavy"]["train"], sets["truth-heavy"]["train"]
    turned = sum(one["chosen"] != other["chosen"] for one, other in zip(first, last, strict=True))
    assert 0.2 < turned / len(first) < 0.6


def test_the_bundled_reward_gives_the_bundled_pairs(world: World) -> None:
    from harness.miniature.manifest import BUNDLE

    lines = (BUNDLE / "data/preferences/miniature/train.jsonl").read_text(encoding="utf-8").splitlines()
    assert ranked_sets(world, world.reward)["train"] == [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", list(REWARDS))
def test_the_ranking_alone_gives_the_weights_back(sets: Sets, name: str) -> None:
    """P(first is chosen) = Phi(w . gap / (noise * sqrt 2)): probit, scaled by the known noise."""
    import numpy as np
    from statsmodels.discrete.discrete_model import Probit

    rows, draw = sets[name]["train"], random.Random(1)
    signs = np.array([draw.choice((-1, 1)) for _ in rows])
    gaps = np.array(
        [
            [row[f"{quality}_chosen"] - row[f"{quality}_rejected"] for quality in ("style", "truth")]
            for row in rows
        ]
    )
    fitted = Probit((signs > 0).astype(float), gaps * signs[:, None]).fit(disp=0)
    found = fitted.params * REWARDS[name].noise * 2**0.5
    errors = fitted.bse * REWARDS[name].noise * 2**0.5
    wanted = np.array([REWARDS[name].w_style, REWARDS[name].w_truth])
    assert (abs(found - wanted) < 3 * errors).all()
    assert found == pytest.approx(wanted, rel=0.15)


def test_each_reward_is_what_its_label_says(sets: Sets) -> None:
    shares = {name: style_share(REWARDS[name], sets[name]["train"]) for name in LABELS}
    assert shares["style-heavy"] > 0.9
    assert shares["mixed"] == pytest.approx(0.5, abs=0.02)
    assert shares["truth-heavy"] < 0.1


def test_style_share_by_hand() -> None:
    """Style 0, 1, 0, 1 and truth 0, 0, 0.5, 0.5: variances 0.25 and 0.0625; weights 1 and 2 even that out."""
    rows = [
        {"style_chosen": 0.0, "style_rejected": 1.0, "truth_chosen": 0.0, "truth_rejected": 0.0},
        {"style_chosen": 0.0, "style_rejected": 1.0, "truth_chosen": 0.5, "truth_rejected": 0.5},
    ]
    assert style_share(Reward(1.0, 2.0), rows) == pytest.approx(0.5)
    assert style_share(Reward(2.0, 2.0), rows) == pytest.approx(0.8)


def test_what_is_planted_by_hand(world: World) -> None:
    """Three pairs; in style one is equal and one of the other two is the chosen's; in truth both are."""
    rows = [
        {"style_chosen": 1.0, "style_rejected": 0.0, "truth_chosen": 1.0, "truth_rejected": 1.0},
        {"style_chosen": 0.5, "style_rejected": 0.5, "truth_chosen": 1.0, "truth_rejected": 0.0},
        {"style_chosen": 0.0, "style_rejected": 1.0, "truth_chosen": 0.8, "truth_rejected": 0.3},
    ]
    found = planted(world, REWARDS["mixed"], rows, {"a": "b"})
    assert (found.more_style, found.more_truth) == (0.5, 1.0)
    assert (found.w_style, found.w_truth, found.noise, found.world_seed) == (1.6, 1.0, 0.2, DEFAULT_SEED)


def test_the_pairs_are_a_data_root(world: World, tmp_path: Path) -> None:
    data = load_profile("miniature").data
    write_root(tmp_path, world, REWARDS["mixed"], data)
    found = read_files(tmp_path, [data.train, data.test])
    assert {name: file.rows for name, file in found.items()} == {data.train: 2000, data.test: 300}
    assert "w_style=1.6" in found[data.train].source
    before = (tmp_path / data.train).stat().st_mtime_ns
    write_root(tmp_path, world, REWARDS["mixed"], data)
    assert (tmp_path / data.train).stat().st_mtime_ns == before


def interval(value: float, half: float = 0.0) -> Interval:
    return Interval(value=value, stderr=half / 2, low=value - half, high=value + half)


def composition(changes: dict[str, tuple[float, ...]], half: float = 0.0) -> CompositionResult:
    rows = [
        Composition(
            category=category, context=context, way=way, sae=interval(0.2), steering=interval(0.2),
            change=interval(value if way == "examples" else 9.0, half),
        )
        for category, values in changes.items()
        for context, value in zip(CONTEXTS, values, strict=True)
        for way in ("examples", "positions")
    ]  # fmt: skip
    return CompositionResult(rows=tuple(rows), examples=10, resamples=10, seed=1)


def ablation(style: Interval, alignment: Interval) -> AblationResult:
    rows = [
        Ablated(
            masked=name, features=size, draw=None, loss=4.0, stderr=0.1,
            difference=one.value, low=one.low, high=one.high, mean_l0=1.0, scores={},
        )
        for name, size, one in (
            ("nothing", 0, interval(0.0)), ("style", 60, style), ("alignment", 32, alignment)
        )
    ]  # fmt: skip
    random_ = {"style": interval(0.01), "alignment": interval(0.02)}
    return AblationResult(rows=tuple(rows), random=random_, base_loss=5.0, pairs=10, seed=1)


def test_composition_by_hand() -> None:
    """The paper's Table 2: (2.82 + 9.42 + 1.91 + 5.47 + 4.11 + 10.81) / 3 = 11.51 points, hence style."""
    paper = composition({"style": (0.0191, 0.0282, 0.0411), "alignment": (-0.0547, -0.0942, -0.1081)})
    contrast = composition_contrast(paper)
    assert contrast == pytest.approx(0.3454 / 3)
    assert label(contrast, RULES["composition"].margin) == "style-heavy"


def test_a_change_that_may_be_none_counts_as_none() -> None:
    """Intervals of +-0.2: 0.1 and -0.15 may be 0, 0.4 and 0.3 are not: (0.4 - 0.3) / 3."""
    found = composition({"style": (0.1, 0.4, 0.1), "alignment": (-0.15, -0.1, 0.3)}, half=0.2)
    assert composition_contrast(found) == pytest.approx(0.1 / 3)


@pytest.mark.parametrize(
    ("style", "alignment", "wanted"),
    [
        (interval(0.3, 0.1), interval(0.1, 0.05), 0.5),
        (interval(0.1, 0.05), interval(0.3, 0.1), -0.5),
        (interval(0.1, 0.2), interval(0.3, 0.1), -1.0),
        (interval(0.3, 0.1), interval(-0.1, 0.05), 1.0),
        (interval(0.1, 0.2), interval(0.1, 0.2), 0.0),
    ],
)
def test_ablation_by_hand(style: Interval, alignment: Interval, wanted: float) -> None:
    found = ablation(style, alignment)
    assert ablation_contrast(found) == pytest.approx(wanted)
    assert harms(found).keys() == {"style", "alignment"}
    assert harms(found)["style"].value == style.value


def test_the_margin_belongs_to_mixed() -> None:
    assert [label(c, 0.05) for c in (0.06, 0.05, 0.0, -0.05, -0.06)] == [
        "style-heavy", "mixed", "mixed", "mixed", "truth-heavy",
    ]  # fmt: skip


def test_order() -> None:
    assert ordered([0.3, 0.1, -0.2])
    assert not ordered([0.3, 0.3, -0.2])
    assert not ordered([0.1, 0.3, -0.2])


def test_confusion_by_hand() -> None:
    table = confusion(
        [("mixed", "style-heavy"), ("mixed", "mixed"), ("mixed", "mixed"), ("truth-heavy",) * 2]
    )
    assert table["mixed"] == {"style-heavy": 1, "mixed": 2, "truth-heavy": 0}
    assert table["truth-heavy"] == {"style-heavy": 0, "mixed": 0, "truth-heavy": 1}
    assert sum(table["style-heavy"].values()) == 0


def trial(reward: str, seed: int, contrast: float) -> Trial:
    found = composition({"style": (0.1, 0.1, 0.1), "alignment": (0.0, 0.0, 0.0)})
    score = Score(value=0.8, stderr=0.01, n=300)
    return Trial(
        reward=reward, seed=seed, loss=score, base_loss=5.0, accuracy=score, base_accuracy=0.6, mean_l0=40.0,
        composition=tuple(row for row in found.rows if row.way == "examples"),
        harm={"style": interval(0.3, 0.1), "alignment": interval(0.1)},
        random_harm={"style": interval(0.0), "alignment": interval(0.0)},
        masked={"style": 60, "alignment": 32},
        contrasts=dict.fromkeys(RULES, contrast),
        recovered={name: label(contrast, rule.margin) for name, rule in RULES.items()},
    )  # fmt: skip


def result(*trials: Trial, dirty: bool | None = False) -> PlantedResult:
    reward = Planted(
        w_style=1.0, w_truth=1.0, noise=0.2, style_share=0.5, more_style=0.7, more_truth=0.8,
        world_seed=1, files={},
    )  # fmt: skip
    return assemble(
        command="python -m harness planted-truth", profile="miniature", profile_digest="d",
        inputs={"model": "m"},
        rewards=dict.fromkeys(REWARDS, reward), trials=trials,
        made=[{"commit": "a" * 40, "dirty": False}, {"commit": "b" * 40, "dirty": dirty}],
        provenance={"hardware": HARDWARE},
    )  # fmt: skip


def test_a_result_by_hand() -> None:
    """Seed 1 in order, seed 2 not; the mixed ones come out as style once and as truth once."""
    found = result(
        trial("style-heavy", 1, 0.9), trial("mixed", 1, 0.5), trial("truth-heavy", 1, -0.9),
        trial("style-heavy", 2, 0.0), trial("mixed", 2, -0.5), trial("truth-heavy", 2, -0.4),
    )  # fmt: skip
    assert found.order == {name: {"1": True, "2": False} for name in RULES}
    assert found.confusion["ablation"]["mixed"] == {"style-heavy": 1, "mixed": 0, "truth-heavy": 1}
    assert found.confusion["ablation"]["style-heavy"] == {"style-heavy": 1, "mixed": 1, "truth-heavy": 0}
    assert found.confusion["ablation"]["truth-heavy"] == {"style-heavy": 0, "mixed": 0, "truth-heavy": 2}
    sheet = confusion_sheet(found)
    assert sheet.rows[0].texts == ("Composition (Table 2)", "style-heavy", "1", "1", "0")
    assert "6 trainings: one for each reward and each of 2 training seed(s) (1, 2)" in sheet.notes[0]
    assert "1 of 2 seeds" in sheet.notes[1]
    assert "uncommitted" not in sheet.notes[2]
    assert all(markdown(one).count("\n") > 5 for one in sheets(found))


def test_uncommitted_changes_anywhere_mark_the_result() -> None:
    found = result(trial("mixed", 1, 0.0), dirty=True)
    assert found.dirty is True
    assert "with uncommitted changes" in confusion_sheet(found).notes[2]
    assert result(trial("mixed", 1, 0.0), dirty=None).dirty is None
    assert found.order["ablation"] == {}


def test_the_figure_is_the_same_for_the_same_result() -> None:
    found = result(*(trial(name, 1, 0.1) for name in LABELS))
    first, second = figure(found), figure(found)
    assert first == second
    assert first["svg"].startswith(b"<?xml")
    assert first["png"].startswith(b"\x89PNG")
    other = result(*(trial(name, 1, 0.2) for name in LABELS))
    assert figure(other)["svg"] != first["svg"]


def test_the_artefact_has_a_version(tmp_path: Path) -> None:
    found = result(trial("mixed", 1, 0.0))
    path = tmp_path / "planted-truth.json"
    path.write_text(found.model_dump_json())
    assert read_planted(path) == found
    for broken in ({"schema_version": 0}, {"profile": 3}):
        path.write_text(json.dumps(found.model_dump(mode="json") | broken))
        with pytest.raises(DamagedFileError, match="planted truth"):
            read_planted(path)


def test_a_trial_varies_the_profile_and_nothing_else() -> None:
    profile = load_profile("miniature")
    found = variant(profile, "mixed", 7)
    assert found.training == profile.training.model_copy(update={"seed": 7, "checkpoint_steps": 25})
    assert found.arms["fsrl"] == profile.arms["fsrl"]
    assert list(found.arms) == ["base", "fsrl"]
    assert found.data == profile.data.model_copy(update={"source": "data_root"})
    assert set(found.studies) == {"census", "table2", "ablation"}


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = RunPaths(root=tmp_path)
    with pytest.raises(ProfileError, match="bundled miniature"):
        run(load_profile("gemma-2-2b"), paths)
    with pytest.raises(ProfileError, match="no such study"):
        run(load_profile("miniature-smoke"), paths)
    assert main(["planted-truth", "--reward", "fame", "--run-dir", str(tmp_path)]) == 2
    assert "choose of: style-heavy, mixed, truth-heavy" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_committed_result_follows_its_rules() -> None:
    root = Path(__file__).parents[3] / "results" / "miniature"
    found = [read_planted(path) for path in root.glob("*/planted-truth/planted-truth.json")]
    assert found
    for one in found:
        assert one.dirty is False
        assert one.margins == {name: rule.margin for name, rule in RULES.items()}
        for each in one.trials:
            assert each.recovered == {
                name: label(each.contrasts[name], rule.margin) for name, rule in RULES.items()
            }
            kept = CompositionResult(rows=each.composition, examples=1, resamples=1, seed=0)
            assert composition_contrast(kept) == pytest.approx(each.contrasts["composition"])
        for name, table in one.confusion.items():
            assert table == confusion((each.reward, each.recovered[name]) for each in one.trials)
