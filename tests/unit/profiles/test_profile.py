"""A profile is refused with the dotted path of each fault, or it is exactly what was written."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.core.errors import HarnessError, ProfileError
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.profiles.section import Section
from harness.profiles.sections import PluggedSection
from harness.profiles.toml_file import PROFILES, profile_names

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


@pytest.mark.parametrize(
    ("dotted", "value", "said"),
    [
        ("training.beat", 10.0, "; `beta`: SimPO's scale (paper, equation 4 and table 5)."),
        ("evaluation.tasks.mmlu.limmit", 3, "; `limit`: Items scored, per subject for MMLU; 0 means all."),
        ("training.epochs", 0, "greater than 0 (given: 0); `epochs`: Passes over the training pairs."),
        ("evalation", {}, "; `evaluation`: How lm-eval scores every arm."),
    ],
)
def test_a_fault_says_what_the_key_or_its_neighbour_means(dotted: str, value: Any, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(changed(dotted, value), where="test.toml")
    assert said in str(caught.value)


def test_what_only_people_read_leaves_the_digest() -> None:
    profile = load_profile("miniature")
    told = profile.model_copy(update={"title": "t", "note": "n", "assumed": {}, "sources": {}})
    assert told.digest() == profile.digest()
    assert profile.model_copy(update={"name": "other"}).digest() != profile.digest()


def test_an_unknown_key_like_no_other_is_not_explained() -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(changed("training.zzz", 1), where="test.toml")
    assert "`" not in caught.value.cause


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for child in model.__subclasses__():
        yield from sections(child)


@pytest.mark.parametrize("section", [*sections(Section), *sections(PluggedSection)])
def test_every_key_has_its_help(section: type[BaseModel]) -> None:
    assert [name for name, field in section.model_fields.items() if not field.description] == []


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


def variant(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "variant.toml"
    path.write_text(text)
    return load_profile(str(path))


def test_a_variant_states_only_its_differences(tmp_path: Path, profile: Profile) -> None:
    text = 'extends = "miniature"\nname = "v"\n[training]\nepochs = 3\n[arms.fsrl]\npenalty_warmup = 0.2\n'
    found, base = variant(tmp_path, text).resolved(), profile.resolved()
    assert (found["name"], found["training"]["epochs"]) == ("v", 3)
    assert found["arms"]["fsrl"].pop("penalty_warmup") == 0.2
    assumed = base.pop("assumed")
    assert found.pop("assumed").keys() == assumed.keys() - {"training.epochs"}  # of its own epochs
    assert "training.epochs" in assumed
    found["name"], found["training"]["epochs"] = base["name"], base["training"]["epochs"]
    assert found == base


def test_a_variant_may_leave_tables_out(tmp_path: Path) -> None:
    head = 'extends = "gemma-2-2b"\nname = "v"\n'
    found = variant(tmp_path, 'without = ["arms.fsrl"]\n' + head)
    assert list(found.arms) == ["base", "full-simpo"]
    assert not [key for key in (*found.assumed, *found.sources) if "fsrl" in key]
    with pytest.raises(ProfileError, match=r"`without` names arms\.fsrll"):
        variant(tmp_path, 'without = ["arms.fsrll"]\n' + head)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('extends = "variant.toml"\nname = "v"\n', "extends itself"),
        ('extends = "other.toml"\nname = "v"\n', "which is not there"),
        ('extends = "miniatur"\nname = "v"\n', "no such profile"),
        ('extends = "miniature"\n', "a name of its own"),
        ('extends = 3\nname = "v"\n', "is the name of a profile"),
        ('extends = "miniature"\nname = "v"\n[training]\nbeat = 1\n', "training.beat: unknown key"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        variant(tmp_path, text)


LLAMA = '[model]\nsource = "hub"\nid = "me/llama"\n'
ROWS = '[data]\ntrain = "preferences/mine/train.jsonl"\n'


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (LLAMA, "model.id, model.source"),
        ("[sae]\nlayer = 2\n", "sae.layer"),
        (ROWS, "data.train"),
        ('[data]\nsource = "data_root"\n', "data.source"),
    ],
)
@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ("", "no title and no note"),
        ('title = "Mine"\n', "no note"),
        ('note = "Mine."\n', "no title"),
        (f'title = "{MINIATURE["title"]}"\nnote = "Mine."\n', "no title"),
    ],
)
def test_another_subject_needs_words_of_its_own(
    tmp_path: Path, changed: str, named: str, said: str, lacking: str
) -> None:
    with pytest.raises(ProfileError, match=f"changes {named}, and has {lacking} of its own") as caught:
        variant(tmp_path, f'extends = "miniature"\nname = "v"\n{said}{changed}')
    assert "give `title` and `note`" in caught.value.remedy


def test_the_papers_values_belong_to_a_subject(tmp_path: Path) -> None:
    head, words = 'extends = "miniature"\nname = "v"\n', 'title = "Mine"\nnote = "Mine."\n'
    assert variant(tmp_path, head + "[training]\nepochs = 3\n[data]\ntrain_pairs = 9\n").paper_values
    assert not variant(tmp_path, head + words + LLAMA).paper_values
    assert variant(tmp_path, head + words + "paper_values = true\n" + LLAMA).paper_values
    others = {name for name in profile_names() if not load_profile(name).paper_values}
    assert others == {"miniature-llama", "miniature-narrow"}, "variants whose model is another"
    mine = variant(tmp_path, head + words + LLAMA)
    (tmp_path / "next.toml").write_text('extends = "variant.toml"\nname = "w"\n[training]\nepochs = 3\n')
    found = load_profile(str(tmp_path / "next.toml"))
    assert (found.title, found.note, found.paper_values) == (mine.title, mine.note, False)


def test_the_authors_configuration_where_it_differs() -> None:
    """Facts of the authors' repository at fb467f1, in words in docs/provenance.md."""
    found, paper = load_profile("gemma-2-2b-as-committed"), load_profile("gemma-2-2b")
    assert found.training.model_dump() == paper.training.model_dump() | {
        "epochs": 1,
        "schedule": "constant_with_warmup",
        "warmup": "log",
        "max_grad_norm": 0.0,
        "offload_optimizer": True,
    }
    assert found.arms["fsrl"].options == paper.arms["fsrl"].options | {
        "learning_rate": 1e-7,
        "penalty_warmup": 0.2,
        "penalty_positions": "all",
    }
    assert found.arms["full-simpo"].options == {"learning_rate": 8e-7}
    for part in ("model", "sae", "data", "evaluation"):
        assert getattr(found, part) == getattr(paper, part)


def test_the_later_versions_run_of_the_9b() -> None:
    found = load_profile("gemma-2-9b")
    assert (found.sae.layer, found.sae.sae_id) == (12, "layer_12/width_16k/average_l0_130")
    assert (found.data.max_prompt_length, found.data.max_length) == (1600, 1600 + 1400)
    options = found.arms["fsrl"].options
    assert (options["learning_rate"], options["penalty_coefficient"]) == (6e-5, 1e-2)


def test_the_later_versions_run_of_the_2b() -> None:
    found, paper = load_profile("gemma-2-2b-later"), load_profile("gemma-2-2b")
    assert (found.sae.layer, found.sae.sae_id) == (12, "layer_12/width_65k/average_l0_72")
    assert found.training.model_dump() == paper.training.model_dump() | {
        "epochs": 10,
        "optimizer": "muon",
        "max_grad_norm": 0.0,
        "zero_stage": 2,
    }
    options = found.arms["fsrl"].options
    assert (options["learning_rate"], options["penalty_coefficient"]) == (5e-5, 0.1)
    assert (options["activation"], options["soft_threshold"]) == ("soft_threshold", 1e-6)
    assert "optimizer" not in paper.training.model_dump(), "digests of other profiles stay"


@pytest.mark.parametrize("wrong", [{"schedule": "cosine"}, {"warmup_ratio": 0.0}])
def test_a_logarithmic_warmup_that_deepspeed_does_not_have_is_refused(wrong: dict[str, Any]) -> None:
    data = load_profile("gemma-2-2b-as-committed").resolved()
    data["training"] |= wrong
    with pytest.raises(ProfileError, match="warmup = 'log' needs"):
        parse_profile(data, where="here")


def test_the_two_protocols() -> None:
    paper, leaderboard = (load_profile(name) for name in ("gemma-2-2b", "gemma-2-2b-leaderboard"))
    assert (paper.evaluation.protocol, leaderboard.evaluation.protocol) == ("paper", "leaderboard")
    assert (paper.evaluation.chat_template, leaderboard.evaluation.chat_template) == (True, False)
    shots = [
        {name: task.num_fewshot for name, task in one.evaluation.tasks.items()}
        for one in (paper, leaderboard)
    ]
    assert shots[0] == {"mmlu": 0, "truthfulqa_mc2": 0, "gsm8k": 5}
    assert shots[1] == {"mmlu": 5, "truthfulqa_mc2": 0, "gsm8k": 5}
    assert not paper.evaluation.fewshot_as_multiturn
    assert list(leaderboard.arms) == ["base"]
    assert leaderboard.model == paper.model
