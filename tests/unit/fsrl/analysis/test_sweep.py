"""Figure 4: the options, and what each point of a sweep trains."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fsrl.analysis.sweep import Config, training, variant
from harness.commands.sweep import sweeps
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile, load_profile, parse_profile
from harness.profiles.sections import StudySection
from harness.stages import prepare
from harness.stages.inputs import Context
from harness.study import StudyScene, study_config

OWN = load_profile("miniature").arm("fsrl").options["penalty_coefficient"]
"""The coefficient of the profile itself."""


@pytest.fixture(scope="module")
def miniature() -> Profile:
    return load_profile("miniature")


def scene(profile: Profile) -> StudyScene:
    root = Path("runs") / profile.name
    prepared = PrepareResult(model_dir="m", sae_dir="s", data_root="d", files={}, facts={})
    return StudyScene(profile, RunPaths(root=root), "fsrl", prepared, {}, {}, root / "studies")


def config(**options: Any) -> Config:
    return Config.model_validate({"axis": "alpha", "points": [0.01, 0.02]} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": [0.02, 0.01]}, "must rise"),
        ({"points": [0.01, 0.01]}, "must rise"),
        ({"points": [-0.01, 0.01]}, "below 0"),
        ({"points": [0.01]}, "at least 2"),
        ({"axis": "layer", "points": [1, 2.5]}, "whole numbers"),
        ({"axis": "layer", "points": [1, 2], "activation_cache_gib": 1.0}, "share no residual stream"),
        ({"axis": "width"}, "'alpha' or 'layer'"),
        ({"colour": 1}, "colour"),
        ({"train_pairs": -1}, "greater than or equal to 0"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    table = {
        "module": "fsrl.analysis.sweep",
        "arm": "fsrl",
        "axis": "alpha",
        "points": [0.01, 0.02],
    } | options
    with pytest.raises(ProfileError, match=message):
        study_config(StudySection.model_validate(table), "sweep")


def test_a_point_differs_in_the_axis_and_in_nothing_else(miniature: Profile) -> None:
    one = variant(config(), miniature, "fsrl", "alpha-0.01", 0.01)
    own = miniature.arm("fsrl")
    assert one.arm("alpha-0.01").options == own.options | {"penalty_coefficient": 0.01}
    assert (one.training, one.data, one.model, one.sae) == (
        miniature.training, miniature.data, miniature.model, miniature.sae
    )  # fmt: skip
    layer = variant(config(axis="layer", points=[1, 3]), miniature, "fsrl", "fsrl", 1.0)
    assert layer.sae == miniature.sae.model_copy(update={"layer": 1})
    assert layer.arm("fsrl") == own
    assert layer.training == miniature.training


def test_the_profiles_own_point_is_the_runs_own_arm(miniature: Profile) -> None:
    here = scene(miniature)
    own = training(config(), here, OWN)
    assert (own.own, own.arm, own.paths) == (True, "fsrl", here.paths)
    other = training(config(), here, 0.01)
    assert (other.own, other.arm) == (False, "alpha-0.01")
    assert other.paths.root == here.paths.root / "sweep/alpha"
    layer = training(config(axis="layer", points=[1, 3]), here, 1.0)
    assert (layer.own, layer.arm, layer.paths.root) == (False, "fsrl", here.paths.root / "sweep/layer-1")
    assert training(config(axis="layer", points=[1, 3]), here, 3.0).own


def test_a_cached_point_or_one_of_more_epochs_is_not_the_runs_own(miniature: Profile) -> None:
    cached = training(config(activation_cache_gib=1.0), scene(miniature), OWN)
    assert not cached.own
    assert cached.profile.training.share_prompt
    assert cached.profile.training.activation_cache_gib == 1.0
    assert not training(config(epochs=2), scene(miniature), OWN).own


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ({}, (0, 0)),
        ({"train_pairs": 2000}, (2000, 0)),
        ({"test_pairs": 600}, (0, 600)),
        ({"train_pairs": 2000, "test_pairs": 600}, (2000, 600)),
    ],
)
def test_a_point_of_fewer_pairs_is_not_the_runs_own(
    miniature: Profile, options: dict[str, int], pairs: tuple[int, int]
) -> None:
    """0 means the profile's: all of them here."""
    found = training(config(**options), scene(miniature), OWN)
    assert (found.profile.data.train_pairs, found.profile.data.test_pairs) == pairs
    assert found.own is (pairs == (0, 0))


def test_a_sweep_without_pairs_of_its_own_has_the_profiles(miniature: Profile) -> None:
    few = miniature.model_copy(update={"data": miniature.data.model_copy(update={"train_pairs": 48})})
    assert variant(config(test_pairs=12), few, "fsrl", "alpha-0.01", 0.01).data == few.data.model_copy(
        update={"test_pairs": 12}
    )


def test_a_release_names_the_sae_of_each_layer() -> None:
    paper = load_profile("gemma-2-2b")
    section = paper.study("sweep-layer")
    options = study_config(section, "sweep-layer")
    assert options.points == (6.0, 12.0, 18.0, 24.0)
    six = variant(options, paper, "fsrl", "fsrl", 6.0)
    assert (six.sae.layer, six.sae.sae_id) == (6, "layer_6/width_65k/average_l0_17")
    assert six.training.epochs == 1
    twelve = variant(options, paper, "fsrl", "fsrl", 12.0)
    assert twelve.sae == paper.sae
    with pytest.raises(ProfileError, match="layer 7 of gemma-scope-2b-pt-res"):
        variant(options, paper, "fsrl", "fsrl", 7.0)


def test_the_smallest_l0_of_each_layer_is_what_sae_lens_lists() -> None:
    """The paper: width 65k, of each layer the SAE with the lowest average L0."""
    spec = find_spec("sae_lens")  # not imported: only its directory is read
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).with_name("pretrained_saes.yaml").read_text()
    release = text[text.index("\ngemma-scope-2b-pt-res:") :]
    release = release[: release.index("\ngemma-scope-2b-pt-res-canonical:")]
    options = study_config(load_profile("gemma-2-2b").study("sweep-layer"), "sweep-layer")
    for layer in (6, 12, 18, 24):
        ids = [part for part in release.split() if part.startswith(f"layer_{layer}/width_65k/average_l0_")]
        chosen = min(set(ids), key=lambda one: int(one.rpartition("_")[2]))
        assert chosen == (options.sae_ids | {"12": load_profile("gemma-2-2b").sae.sae_id})[str(layer)]


def test_only_an_arm_with_a_penalty_can_be_swept(miniature: Profile) -> None:
    with pytest.raises(ProfileError, match="penalty_coefficient"):
        variant(config(), miniature, "full-simpo", "alpha-0.01", 0.01)


def test_the_sweeps_of_a_profile(miniature: Profile) -> None:
    assert sweeps(miniature, ("alpha", "layer")) == ["sweep-alpha", "sweep-layer"]
    assert sweeps(miniature, ("layer",)) == ["sweep-layer"]
    none = parse_profile(miniature.resolved() | {"studies": {}}, where="the test")
    with pytest.raises(ProfileError, match="no sweep of alpha"):
        sweeps(none, ("alpha",))


def test_another_layer_of_the_bundle_is_another_input(miniature: Profile, tmp_path: Path) -> None:
    """Its SAE is trained by a recipe, which counts; the bundle's own layer needs none."""
    paths = RunPaths(root=tmp_path)
    other = variant(config(axis="layer", points=[1, 3]), miniature, "fsrl", "fsrl", 1.0)
    assert "sae training" not in prepare.needs(Context(miniature, paths))
    assert "sae training" in prepare.needs(Context(other, paths))
