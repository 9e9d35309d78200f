"""A profile is refused with the dotted path of each fault, or it is exactly what was written."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, ProfileError
from harness.profile import PROFILES, Profile, load_profile, parse_profile, profile_names

MINIATURE = tomllib.loads((PROFILES / "miniature.toml").read_text())


def changed(dotted: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(MINIATURE)
    *parents, last = dotted.split(".")
    node = data
    for part in parents:
        node = node[part]
    node[last] = value
    return data


@pytest.mark.parametrize("name", profile_names())
def test_every_bundled_profile_loads_under_its_own_name(name: str) -> None:
    assert load_profile(name).name == name


def test_gamma_is_absolute_and_five() -> None:
    assert load_profile("miniature").training.gamma == 5.0


@pytest.mark.parametrize(
    ("dotted", "value", "said"),
    [
        ("training.beat", 10.0, "training.beat: unknown key; known here:"),
        ("training.beta", "ten", "training.beta: Input should be a valid number (given: 'ten')"),
        ("training.warmup_ratio", 1.5, "training.warmup_ratio: Input should be less than or equal to 1"),
        ("model.dtype", "float15", "model.dtype: Input should be 'float32' or 'bfloat16'"),
        ("data.train", "../../etc/passwd", "data.train"),
        ("data.train", "/etc/passwd", "data.train"),
        ("evaluation.tasks.mmlu.limmit", 3, "evaluation.tasks.mmlu.limmit: unknown key; known here: limit,"),
        ("assumed", {"training.lr": "lost"}, "assumed names training.lr, which the profile does not have"),
    ],
)
def test_a_fault_is_named_with_its_path(dotted: str, value: Any, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(changed(dotted, value), where="test.toml")
    assert said in str(caught.value)
    assert "remedy:" in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    data = changed("training.beta", "ten")
    data["sae"]["layer"] = -1
    with pytest.raises(ProfileError) as caught:
        parse_profile(data, where="test.toml")
    assert "training.beta" in str(caught.value)
    assert "sae.layer" in str(caught.value)


def test_an_unknown_profile_lists_those_that_exist() -> None:
    with pytest.raises(ProfileError, match="no such profile") as caught:
        load_profile("gemma-3")
    assert "miniature" in caught.value.remedy


def test_an_unknown_arm_lists_those_that_exist(profile: Profile) -> None:
    with pytest.raises(ProfileError, match="no such arm") as caught:
        profile.arm("fsrll")
    assert "fsrl" in caught.value.remedy


def test_the_digest_follows_every_value(profile: Profile) -> None:
    other = parse_profile(changed("training.seed", 43), where="test.toml")
    assert other.digest() != profile.digest()
    assert load_profile("miniature").digest() == profile.digest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [f"{k}.{j}" for k, v in MINIATURE.items() if isinstance(v, dict) for j in v if "." not in j] + list(
    MINIATURE
)


@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_anywhere_gives_a_profile_or_a_harness_error(place: str, value: Any) -> None:
    data = changed(place, value)
    try:
        result: object = parse_profile(data, where="fuzz")
    except HarnessError as error:
        result = error.remedy
    assert isinstance(result, Profile) or result
