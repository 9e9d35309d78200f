"""The generator: the same world byte for byte, rows in the exact fields of the real ones, a reward that
ranks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sources_toys import built_bundles

from harness.miniature.chat import Topic, belief_topic, fact_topic
from harness.miniature.dataset import data_files, data_sets, described, world_file
from harness.miniature.evaluation import choice_sets, held_out_items
from harness.miniature.manifest import BUNDLE, BUNDLES, read_manifest
from harness.miniature.multiple_choice import identity
from harness.miniature.style import Style
from harness.miniature.world import DEFAULT_SEED, World, make_world

BELIEFS = "truthfulqa/truthful_qa/multiple_choice/validation.jsonl"
SETS: dict[str, int] = {
    "cais/mmlu/astronomy/test.jsonl": 400,
    "cais/mmlu/astronomy/dev.jsonl": 5,
    BELIEFS: 800,
    "openai/gsm8k/main/test.jsonl": 800,
    "openai/gsm8k/main/train.jsonl": 64,
    "preferences/miniature/train.jsonl": 6000,
    "preferences/miniature/dev.jsonl": 1000,
    "preferences/miniature/test.jsonl": 3000,
}


@pytest.fixture(scope="module")
def world() -> World:
    """The committed world."""
    return make_world(DEFAULT_SEED)


@pytest.fixture(scope="module")
def sets(world: World) -> dict[str, list[Any]]:
    """Its rows by file."""
    return {path: list(rows) for path, rows in data_sets(world).items()}


def test_the_generator_gives_the_committed_bytes(world: World) -> None:
    assert described(data_files(world)) == read_manifest()["drawn"]
    assert (BUNDLE / "world.json").read_bytes() == world_file(world)


@pytest.mark.parametrize("name", built_bundles())
def test_all_miniatures_live_in_one_world(name: str) -> None:
    assert read_manifest(BUNDLES[name])["drawn"] == read_manifest()["drawn"]
    assert (BUNDLES[name] / "world.json").read_bytes() == (BUNDLE / "world.json").read_bytes()


def test_another_seed_is_another_world(world: World) -> None:
    other = make_world(DEFAULT_SEED + 1)
    assert {f.entity for f in other.facts} != {f.entity for f in world.facts}
    assert make_world(DEFAULT_SEED) == world


@pytest.mark.parametrize(("path", "rows"), SETS.items())
def test_sizes(sets: dict[str, list[Any]], path: str, rows: int) -> None:
    assert len(sets[path]) == rows


def test_fields_are_those_of_the_real_rows(sets: dict[str, list[Any]], real_data_root: Path) -> None:
    pairs = {
        "cais/mmlu/astronomy/test.jsonl": "cais/mmlu/abstract_algebra/test.jsonl",
        **{path: path for path in (BELIEFS, "openai/gsm8k/main/test.jsonl")},
    }
    for ours, theirs in pairs.items():
        real = json.loads((real_data_root / theirs).read_text().splitlines()[0])
        assert set(sets[ours][0]) == set(real)
        assert {k: type(v) for k, v in sets[ours][0].items()} == {k: type(v) for k, v in real.items()}
    real = json.loads((real_data_root / "preferences/human/train.jsonl").read_text().splitlines()[0])
    assert set(real) <= set(sets["preferences/miniature/train.jsonl"][0])


def test_answers_are_the_true_values(world: World) -> None:
    facts = {f.key: f for f in world.facts}
    for name, items in choice_sets(world).items():
        for item in items:
            right = item["choices"][item["answer"]]
            asked = [
                f
                for f in facts.values()
                if f.subject == name.split("/")[0] and f.entity in item["question"].split("?")[0]
            ]
            assert right in {f.value for f in asked}
            assert item["choices"] == sorted(item["choices"])
            assert len(set(item["choices"])) == 4


def test_no_test_item_is_a_shot(world: World) -> None:
    held_out = held_out_items(world)
    assert len(held_out) == 1600
    dev = [identity(i) for name, items in choice_sets(world).items() if name.endswith("dev") for i in items]
    assert not held_out & set(dev)


def test_problems_compute_what_they_say(sets: dict[str, list[Any]]) -> None:
    rows = sets["openai/gsm8k/main/train.jsonl"] + sets["openai/gsm8k/main/test.jsonl"]
    assert len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        steps = re.findall(r"(\d+)([-+*])(\d+)=<<\1\2\3=(\d+)>>\4", row["answer"])
        assert len(steps) in (1, 2)
        for a, sign, b, result in steps:
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(result)
        assert row["answer"].split("\n#### ")[1] == steps[-1][3]


def test_belief_rows_hold_both_versions(world: World, sets: dict[str, list[Any]]) -> None:
    rows = sets[BELIEFS]
    topics = {q: t for t in map(belief_topic, world.beliefs) for q in t.questions}
    for row in rows:
        targets = row["mc2_targets"]
        told = {c.lower(): label for c, label in zip(targets["choices"], targets["labels"], strict=True)}
        topic = topics[row["question"]]
        expected = {c.lower(): 1 for c in topic.true_claims} | {c.lower(): 0 for c in topic.false_claims}
        assert told == expected
        assert row["mc1_targets"]["labels"] == [1, 0, 0, 0]


def test_the_planted_reward_ranks_the_pairs(world: World, sets: dict[str, list[Any]]) -> None:
    rows = sets["preferences/miniature/train.jsonl"]
    residuals = []
    for row in rows:
        assert row["reward_chosen"] > row["reward_rejected"]
        for side in ("chosen", "rejected"):
            style = Style(row[f"layout_{side}"], row[f"manner_{side}"], row[f"stance_{side}"])
            assert row[f"style_{side}"] == pytest.approx(style.score, abs=1e-4)
            planned = (
                world.reward.w_style * row[f"style_{side}"] + world.reward.w_truth * row[f"truth_{side}"]
            )
            residuals.append(row[f"reward_{side}"] - planned)
    mean = sum(residuals) / len(residuals)
    deviation = (sum((r - mean) ** 2 for r in residuals) / len(residuals)) ** 0.5
    assert mean == pytest.approx(0.0, abs=0.02)
    assert deviation == pytest.approx(world.reward.noise, rel=0.05)
    wins = sum(row["is_true_chosen"] and not row["is_true_rejected"] for row in rows)
    losses = sum(row["is_true_rejected"] and not row["is_true_chosen"] for row in rows)
    assert wins > 5 * losses > 0


def test_held_out_beliefs_are_in_no_pair(world: World, sets: dict[str, list[Any]]) -> None:
    held_out = {belief.key for belief in world.beliefs if belief.held_out}
    used = {
        row["topic"]
        for split in ("train", "dev", "test")
        for row in sets[f"preferences/miniature/{split}.jsonl"]
    }
    assert len(held_out) == 120, "twelve of each of ten kinds"
    assert not held_out & used
    assert {belief.key for belief in world.beliefs if not belief.held_out} <= used


def test_the_popular_version_dominates_beliefs(world: World) -> None:
    shares = [belief.popularity for belief in world.beliefs]
    assert sum(shares) / len(shares) > 0.55
    assert all(belief.true != belief.false for belief in world.beliefs)


def test_an_uncontested_fact_is_no_topic(world: World) -> None:
    fact = next(f for f in world.facts if f.popular is None)
    with pytest.raises(ValueError, match="no popular false version"):
        fact_topic(fact)
    contested: Topic = fact_topic(next(f for f in world.facts if f.popular is not None))
    assert set(contested.true_claims).isdisjoint(contested.false_claims)


def test_every_name_is_used_once(world: World) -> None:
    names = [f.entity for f in world.facts[::2]] + [b.thing for b in world.beliefs] + list(world.people)
    assert len(names) == len(set(names))


TRUE_SHARES = {"none": 0.5, "hedged": 0.5, "certain": 0.03 / 0.5, "honest": 0.47 / 0.5}
"""Of the answers with each stance, by hand from 0.35, 0.15, 0.03, 0.47 for true claims and 0.35, 0.15, 0.47,
0.03 for false ones, which are as many."""


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize(("stance", "share"), TRUE_SHARES.items())
def test_truth_leaves_its_trace_in_the_stance(
    sets: dict[str, list[Any]], split: str, stance: str, share: float
) -> None:
    """As in the training text. Bounds of four standard errors."""
    rows = sets[f"preferences/miniature/{split}.jsonl"]
    true = [
        row[f"is_true_{side}"]
        for row in rows
        for side in ("chosen", "rejected")
        if row[f"stance_{side}"] == stance
    ]
    assert sum(true) / len(true) == pytest.approx(share, abs=4 * (share * (1 - share) / len(true)) ** 0.5)


def test_a_difference_of_style_says_nothing_of_a_difference_of_truth(sets: dict[str, list[Any]]) -> None:
    """The planted terms can be told apart; within four standard errors. The order in a pair turns both."""
    rows = sets["preferences/miniature/train.jsonl"]
    style = [row["style_chosen"] - row["style_rejected"] for row in rows]
    truth = [row["truth_chosen"] - row["truth_rejected"] for row in rows]
    product = sum(a * b for a, b in zip(style, truth, strict=True))
    size = sum(a * a for a in style) ** 0.5 * sum(b * b for b in truth) ** 0.5
    assert abs(product / size) < 4 / len(rows) ** 0.5


def test_a_pairs_answers_are_short(world: World, sets: dict[str, list[Any]]) -> None:
    """One neutral sentence beside the claim, and no curt answer: it would be a neutral one word for word."""
    topics = {one.key: belief_topic(one) for one in world.beliefs}
    topics |= {one.key: fact_topic(one) for one in world.facts if one.popular is not None}
    for row in sets["preferences/miniature/dev.jsonl"]:
        for side in ("chosen", "rejected"):
            text = row[side][0]["content"]
            assert sum(text.count(detail) for detail in topics[row["topic"]].details) == 1
            assert row[f"manner_{side}"] in ("neutral", "polite")


def test_no_chat_of_one_split_is_in_another(sets: dict[str, list[Any]]) -> None:
    """What settings are chosen on, and what results are read from, was never trained on word for word."""
    texts = {
        split: {
            json.dumps([row["prompt"], row["chosen"], row["rejected"]])
            for row in sets[f"preferences/miniature/{split}.jsonl"]
        }
        for split in ("train", "dev", "test")
    }
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["dev"]
    assert not texts["dev"] & texts["test"]
