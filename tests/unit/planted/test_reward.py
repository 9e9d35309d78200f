"""Rewards of known weights: the pairs hold what was planted."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from harness.miniature.world import DEFAULT_SEED, Reward, World, make_world
from harness.planted.reward import REWARDS, SIDES, planted, ranked_sets, style_share, write_root
from harness.planted.rule import NOTHING
from harness.profiles.profile import load_profile
from harness.sources.bundle.rows import data_root
from harness.sources.data_root import read_files

Sets = dict[str, dict[str, list[dict[str, Any]]]]


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
        assert all(found == chats["mixed"] for found in chats.values())
    first, last = sets["style-heavy"]["train"], sets["truth-heavy"]["train"]
    turned = sum(one["chosen"] != other["chosen"] for one, other in zip(first, last, strict=True))
    assert 0.2 < turned / len(first) < 0.6


def test_the_bundled_reward_gives_the_bundled_pairs(world: World) -> None:
    lines = (data_root() / "preferences/miniature/train.jsonl").read_text(encoding="utf-8").splitlines()
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
    assert found == pytest.approx(wanted, rel=0.15, abs=0.15)


def test_each_reward_is_what_its_label_says(sets: Sets) -> None:
    """By hand, of the draws in `any_style`: style varies by 0.49 x 0.1369 (layouts 0, 0.4, 0.7, 1) + 0.09 x
    0.0625 (manners 0.5, 1) = 0.0727; truth, 1 or 0 with 0.8 and 0.3 where it is hedged (0.15), by 0.2222. So
    the share of `mixed` is 2.56 x 0.0727 / (2.56 x 0.0727 + 0.2222) = 0.456. Bounds of four standard errors.
    """
    shares = {name: style_share(reward, sets[name]["train"]) for name, reward in REWARDS.items()}
    assert shares["style-heavy"] == pytest.approx(4 * 0.0727 / (4 * 0.0727 + 0.09 * 0.2222), abs=0.02)
    assert shares["mixed"] == pytest.approx(0.456, abs=0.02)
    assert shares["truth-heavy"] == pytest.approx(0.25 * 0.0727 / (0.25 * 0.0727 + 1.69 * 0.2222), abs=0.02)
    assert shares[NOTHING] is None


def test_nothing_of_the_control_reward_is_in_its_order(sets: Sets) -> None:
    """The chosen answer has the more of style, and of truth, as often as not: four errors of a half."""
    rows = sets[NOTHING]["train"]
    for quality in ("style", "truth"):
        gaps = [row[f"{quality}_chosen"] - row[f"{quality}_rejected"] for row in rows]
        more = [gap > 0 for gap in gaps if gap]
        assert sum(more) / len(more) == pytest.approx(0.5, abs=4 * 0.5 / len(more) ** 0.5)


def test_style_share_by_hand() -> None:
    """Style 0, 1, 0, 1 and truth 0, 0, 0.5, 0.5: variances 0.25 and 0.0625; weights 1 and 2 even that out."""
    rows = [
        {"style_chosen": 0.0, "style_rejected": 1.0, "truth_chosen": 0.0, "truth_rejected": 0.0},
        {"style_chosen": 0.0, "style_rejected": 1.0, "truth_chosen": 0.5, "truth_rejected": 0.5},
    ]
    assert style_share(Reward(1.0, 2.0), rows) == pytest.approx(0.5)
    assert style_share(Reward(2.0, 2.0), rows) == pytest.approx(0.8)
    assert style_share(Reward(0.0, 2.0), rows) == 0.0
    assert style_share(Reward(0.0, 0.0), rows) is None


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
    assert (found.pairs, found.files) == (3, {"a": "b"})


def test_the_pairs_are_a_data_root(world: World, tmp_path: Path) -> None:
    data = load_profile("miniature").data
    write_root(tmp_path, world, REWARDS["mixed"], data)
    found = read_files(tmp_path, [data.train, data.test])
    assert {name: file.rows for name, file in found.items()} == {data.train: 6000, data.test: 3000}
    assert "w_style=1.6" in found[data.train].source
    before = (tmp_path / data.train).stat().st_mtime_ns
    write_root(tmp_path, world, REWARDS["mixed"], data)
    assert (tmp_path / data.train).stat().st_mtime_ns == before
