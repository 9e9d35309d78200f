"""SAS as an arm: the whole SAE gives the same edit, tau is searched, an empty vector is refused."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import residual_toys as toys
import torch

from baselines.sas import Config
from fsrl.sae import gated_relu
from harness.core.errors import FitError, ProfileError


@pytest.mark.parametrize("nonlinearity", ["sae", "relu", "none"])
def test_the_kept_features_alone_give_the_edit_of_the_whole_sae(nonlinearity: str, tmp_path: Path) -> None:
    arm, model = toys.arm("sas", tmp_path, nonlinearity=nonlinearity), fsrl_toys.toy_model()
    with torch.no_grad():
        setting = arm.settings(model, toys.rows(tmp_path / "u"))[-1]
    sae, x = fsrl_toys.toy_sae(), fsrl_toys.toy_x(2, 3, 16)
    v_F = torch.zeros(40)
    v_F[setting.tensors["features"]] = setting.tensors["vector"]
    for strength in (-1.0, 0.5, 2.0):
        f = sae.encode(x)
        z = f + strength * v_F
        assert sae.threshold is not None
        edited = {"none": z, "relu": z.relu(), "sae": gated_relu(z, sae.threshold)}[nonlinearity]
        wanted = sae.decode(edited) + (x - sae.decode(f)) - x
        torch.testing.assert_close(arm.change(setting, strength)(x), wanted, atol=1e-5, rtol=1e-4)


def test_without_a_nonlinearity_it_is_a_dense_vector(tmp_path: Path) -> None:
    made = toys.fitted("sas", tmp_path, nonlinearity="none", grid=(0.0, -4.0, 4.0))
    share = made.found.facts["constant_share"]
    assert share == pytest.approx(1.0 if made.found.facts["helped"] else 0.0, abs=1e-9)


def test_the_larger_tau_is_tried_first_and_all_are_tried(tmp_path: Path) -> None:
    made = toys.fitted("sas", tmp_path, grid=(0.0, 1.0))
    assert made.found.search is not None
    tried = [(one.options.get("tau"), one.strength) for one in made.found.search.tried]
    assert tried == [(None, 0.0), (0.5, 1.0), (0.3, 1.0)]
    assert made.found.facts["features"] == made.found.entries


def test_an_empty_vector_names_its_threshold(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="no feature is kept") as high:
        toys.fitted("sas", tmp_path / "a", tau=(1.0,), rows="last_token")
    assert "tau = 1.0" in str(high.value)
    with pytest.raises(FitError, match="removed as common"):
        toys.fitted("sas", tmp_path / "b", tau=(0.01,), remove_common=True)


def test_a_tau_of_several_that_leaves_nothing_is_recorded(tmp_path: Path) -> None:
    made = toys.fitted("sas", tmp_path, tau=(0.2, 1.0), rows="last_token", grid=(0.0, 1.0))
    assert made.found.search is not None
    assert [one.options for one in made.found.search.tried] == [{}, {"tau": 0.2}]
    assert list(made.found.facts["empty_tau"]) == ["1"]
    assert "no feature is kept" in made.found.facts["empty_tau"]["1"]


def test_bad_options_and_another_sae_are_refused(tmp_path: Path) -> None:
    for tau in ((), (0.0,), (1.1,)):
        with pytest.raises(ValueError, match="tau"):
            Config.model_validate({"grid": (0.0, 1.0), "tau": tau})
    with pytest.raises(ProfileError, match="where it reads"):
        toys.fitted("sas", tmp_path / "a", layers=(0,))
    fsrl_toys.write_sae(tmp_path / "b" / "sae", fsrl_toys.toy_tensors(8, 40), d_in=8)
    with pytest.raises(ProfileError, match="reads 8 numbers"):
        toys.fitted("sas", tmp_path / "b")
