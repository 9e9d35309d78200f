"""Minimal pairs: the two answers differ in the attribute and in nothing else."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from harness.miniature.chat import Topic, belief_topic, fact_topic
from harness.miniature.lexicon import PHRASES
from harness.miniature.minimal import ATTRIBUTES, Fixed, minimal_pairs
from harness.miniature.style import capitalised, lowered
from harness.miniature.world import DEFAULT_SEED, World, make_world
from harness.training.pairs import Pair

COUNT = 150
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(DEFAULT_SEED)


@pytest.fixture(scope="module")
def topics(world: World) -> dict[str, Topic]:
    found = [belief_topic(one) for one in world.beliefs]
    found += [fact_topic(one) for one in world.facts if one.popular is not None]
    return {topic.key: topic for topic in found}


@pytest.fixture(scope="module")
def pairs(world: World) -> dict[str, Rows]:
    return minimal_pairs(world, COUNT)


def texts(row: dict[str, Any]) -> tuple[str, str]:
    """The answer with the attribute, and the one without."""
    return row["chosen"][0]["content"], row["rejected"][0]["content"]


def test_each_attribute_has_as_many_pairs_of_different_answers(pairs: dict[str, Rows]) -> None:
    assert tuple(pairs) == ATTRIBUTES
    for name, rows in pairs.items():
        assert len(rows) == COUNT
        assert all(row["attribute"] == name for row in rows)
        assert all(len(set(texts(row))) == 2 for row in rows)
        assert [Pair.model_validate(row).prompt for row in rows]


def test_all_attributes_are_asked_of_the_same_requests(pairs: dict[str, Rows]) -> None:
    asked = [[(row["topic"], row["prompt"][0]["content"]) for row in rows] for rows in pairs.values()]
    assert all(one == asked[0] for one in asked)


def test_a_layout_adds_two_headings(pairs: dict[str, Rows]) -> None:
    """`## A`, claim, `## B`, details; without the headings the two lines are the running text."""
    for row in pairs["layout"]:
        with_, without = texts(row)
        first, claim, second, details = with_.split("\n")
        assert first.removeprefix("## ") in PHRASES.headings
        assert second.removeprefix("## ") in PHRASES.more
        assert f"{claim} {details}" == without


def test_a_manner_adds_an_opening_and_a_closing(pairs: dict[str, Rows]) -> None:
    openings, closings = ({one.strip() for one in found} for found in (PHRASES.openings, PHRASES.closings))
    for row in pairs["manner"]:
        with_, without = texts(row)
        before, after = with_.split(without)
        assert before.strip() in openings
        assert after.strip() in closings
        assert (before[-1], after[0]) == (("\n", "\n") if without.startswith("- ") else (" ", " "))


def test_a_stance_adds_a_phrase_before_the_claim(pairs: dict[str, Rows]) -> None:
    """What follows it begins in lower case where it is no name; nothing else moves."""
    for row in pairs["stance"]:
        with_, without = texts(row)
        phrase = next(one for one in PHRASES.hedges if one in with_)
        place = with_.index(phrase)
        assert without[:place] == with_[:place]
        assert with_[:place] in ("", "**", "- ")
        assert with_[place + len(phrase) :] == lowered(without[place:])


def test_truth_changes_the_claim_alone(pairs: dict[str, Rows], topics: dict[str, Topic]) -> None:
    """The same wording with the other value; no phrase of stance says which."""
    for row in pairs["truth"]:
        with_, without = texts(row)
        topic = topics[row["topic"]]
        versions = zip(topic.true_claims, topic.false_claims, strict=True)
        true, false = next((capitalised(t), capitalised(f)) for t, f in versions if capitalised(t) in with_)
        assert with_.count(true) == 1
        assert with_.replace(true, false) == without
        assert not any(one in with_ for one in (*PHRASES.hedges, *PHRASES.honest, *PHRASES.certainties))


def test_a_length_adds_one_detail_at_the_end(pairs: dict[str, Rows], topics: dict[str, Topic]) -> None:
    for row in pairs["length"]:
        with_, without = texts(row)
        assert with_.startswith(without)
        joint = "\n- " if without.startswith("- ") else " "
        assert with_.removeprefix(without).removeprefix(joint) in topics[row["topic"]].details


def test_the_same_world_gives_the_same_pairs(world: World, pairs: dict[str, Rows]) -> None:
    assert minimal_pairs(world, COUNT) == pairs
    fewer = minimal_pairs(world, 10)
    assert fewer == {name: rows[:10] for name, rows in pairs.items()}
    assert minimal_pairs(make_world(DEFAULT_SEED + 1), 10) != fewer


def test_no_pair_is_about_a_held_out_belief(world: World, pairs: dict[str, Rows]) -> None:
    held_out = {one.key for one in world.beliefs if one.held_out}
    assert held_out
    assert not held_out & {row["topic"] for rows in pairs.values() for row in rows}


def test_every_phrase_is_used(pairs: dict[str, Rows]) -> None:
    """2520 is divisible by the length of every list of phrases, so none is preferred."""
    used = Counter(phrase for row in pairs["stance"] for phrase in PHRASES.hedges if phrase in texts(row)[0])
    assert set(used) == set(PHRASES.hedges)
    assert all(2520 % len(found) == 0 for found in (PHRASES.hedges, PHRASES.openings, PHRASES.closings))


def test_a_fixed_draw_knows_nothing_of_the_draws_before_it() -> None:
    one, other = Fixed(7), Fixed(7)
    one.choice("abc")
    assert one.choice("abcd") == other.choice("abcd") == "d"


def test_two_answers_of_the_same_text_are_refused(world: World) -> None:
    """A belief whose popular version is the true one has no pair of truth."""
    belief = next(one for one in world.beliefs if not one.held_out)
    same = dataclasses.replace(belief, false=belief.true)
    with pytest.raises(ValueError, match="minimal pair of truth are the same"):
        minimal_pairs(dataclasses.replace(world, beliefs=(same,), facts=()), 1)
