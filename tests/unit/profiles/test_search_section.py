"""The table [search]: the same budget for each arm, and pairs of its own."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from harness.core.errors import ProfileError
from harness.profiles.profile import load_profile, parse_profile
from harness.profiles.toml_file import PROFILES

DEV = "preferences/miniature/dev.jsonl"
RATES = {"full-simpo": [1e-4, 1e-3], "fsrl": [1e-3, 1e-2]}


def searched(pairs: str = DEV, rates: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data = tomllib.loads((PROFILES / "miniature.toml").read_text())
    return data | {"search": {"pairs": pairs, "learning_rates": rates or RATES, **more}}


def test_a_search_is_read() -> None:
    found = parse_profile(searched(), where="test.toml").search
    assert found is not None
    assert found.pairs == DEV
    assert found.learning_rates == {"full-simpo": (1e-4, 1e-3), "fsrl": (1e-3, 1e-2)}


def test_the_miniatures_own_rates_are_among_those_searched() -> None:
    """The profile has a rate of the grid: one that was tried, for each trained arm."""
    profile = load_profile("miniature")
    assert profile.search is not None
    assert profile.search.pairs not in (profile.data.train, profile.data.test)
    assert set(profile.search.learning_rates) == {
        name for name, arm in profile.arms.items() if "learning_rate" in arm.options
    }
    for name, rates in profile.search.learning_rates.items():
        assert profile.arms[name].options["learning_rate"] in rates


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"full-simpo": [1e-4, 1e-3], "fsrl": [1e-3, 3e-3, 1e-2]}, "each arm has the same budget"),
        ({"fsrl": [1e-3]}, "fsrl needs two rates or more"),
        ({"fsrl": []}, "fsrl needs two rates or more"),
        ({"fsrl": [1e-2, 1e-3]}, "rising, none twice"),
        ({"fsrl": [1e-3, 1e-3]}, "rising, none twice"),
        ({"fsrl": [0.0, 1e-3]}, "greater than 0"),
        ({"fsrl": ["1e-3", 1e-2]}, "valid number"),
    ],
)
def test_grids_that_are_none_are_refused(rates: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        parse_profile(searched(rates=rates), where="test.toml")


@pytest.mark.parametrize("split", ["train", "test"])
def test_rates_are_not_chosen_on_pairs_that_are_trained_on_or_reported(split: str) -> None:
    with pytest.raises(ProfileError, match=r"search\.pairs must be a file of its own"):
        parse_profile(searched(pairs=f"preferences/miniature/{split}.jsonl"), where="test.toml")


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"search\.seeds: unknown key"):
        parse_profile(searched(seeds=3), where="test.toml")


def test_a_search_makes_no_other_run() -> None:
    """The digest that ties results to a profile does not follow the search; the rates it leads to do."""
    profile = load_profile("miniature")
    assert profile.model_copy(update={"search": None}).digest() == profile.digest()


@pytest.mark.parametrize("name", ["miniature-llama", "miniature-narrow"])
def test_the_other_miniatures_search_as_the_first_does(name: str) -> None:
    assert load_profile(name).search == load_profile("miniature").search
