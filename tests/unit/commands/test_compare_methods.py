"""compare-methods: the words of a setting, the entries of an arm, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.commands.compare_methods import compare, entries, setting
from harness.core.errors import MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.core.results import TrainResult, Usage
from harness.core.search import Search, Tried
from harness.profiles.profile import load_profile


def fitted(strength: float, **options: object) -> TrainResult:
    tried = Tried(options=dict(options), strength=strength, loss=1.0)
    search = Search(pairs=4, rows_sha256="0", budget=2, tried=(tried,), chosen=0, at_edge=False)
    return TrainResult(trained=False, fitted=True, search=search, facts={"fitted_entries": 192})


def usage(parameters: int) -> Usage:
    return Usage(
        trainable_parameters=parameters,
        total_parameters=9,
        tokens=1,
        wall_s=1.0,
        startup_s=0.0,
        peak_allocated_gib=None,
        peak_reserved_gib=None,
        peak_rss_gib=1.0,
    )


def test_a_setting_in_words() -> None:
    assert setting(fitted(4.0, layer=3)) == "strength 4, layer 3"
    assert setting(fitted(0.0)) == "no setting helped"
    assert setting(TrainResult(trained=False)) == ""


def test_entries_are_those_that_were_trained_or_fitted() -> None:
    assert entries(fitted(1.0)) == 192
    assert entries(TrainResult(trained=True, usage=usage(7))) == 7
    assert entries(TrainResult(trained=False)) == 0


def test_a_comparison_needs_the_base_and_another_arm(tmp_path: Path) -> None:
    profile = load_profile("miniature")
    for kept in (["base"], ["fsrl", "full-simpo"]):
        arms = {name: profile.arms[name] for name in kept}
        with pytest.raises(ProfileError, match="compared with the base"):
            compare(profile.model_copy(update={"arms": arms}), RunPaths(root=tmp_path))


def test_without_a_run_the_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as error:
        compare(load_profile("miniature"), RunPaths(root=tmp_path))
    assert "harness evaluate" in str(error.value)
