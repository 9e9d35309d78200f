"""Direct edits of SAE features as an arm: which features, what happens to them, what is refused."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import residual_toys as toys
import torch

from baselines.sae_edit import Config
from harness.core.errors import FitError, ProfileError


def test_a_scaled_feature_is_scaled_in_the_reconstruction(tmp_path: Path) -> None:
    arm, model = toys.arm("sae_edit", tmp_path, top=0, features=(3, 5)), fsrl_toys.toy_model()
    with torch.no_grad():
        (setting,) = arm.settings(model, toys.rows(tmp_path / "u"))
    sae, x = fsrl_toys.toy_sae(), fsrl_toys.toy_x(2, 3, 16)
    f = sae.encode(x)
    for strength, factor in ((-1.0, 0.0), (-3.0, 0.0), (0.5, 1.5)):
        edited = f.clone()
        edited[..., [3, 5]] *= factor
        wanted = (edited - f) @ sae.W_dec
        torch.testing.assert_close(arm.change(setting, strength)(x), wanted, atol=1e-5, rtol=1e-4)


def test_the_features_that_differ_most_are_moved_towards_the_chosen(tmp_path: Path) -> None:
    facts = toys.fitted("sae_edit", tmp_path).found.facts
    assert len(facts["features"]) == 3
    assert set(facts["signs"]) <= {-1.0, 1.0}
    assert facts["features"] == sorted(facts["features"])


def test_clamping_reaches_positions_where_the_feature_is_off(tmp_path: Path) -> None:
    arm, model = toys.arm("sae_edit_clamp", tmp_path), fsrl_toys.toy_model()
    with torch.no_grad():
        (setting,) = arm.settings(model, toys.rows(tmp_path / "u"))
    sae, x = fsrl_toys.toy_sae(), fsrl_toys.toy_x(2, 3, 16)
    f = sae.encode(x)
    edited = f.clone()
    ids = setting.tensors["features"]
    edited[..., ids] = 2.0 * setting.tensors["largest"]
    wanted = (edited - f) @ sae.W_dec
    torch.testing.assert_close(arm.change(setting, 2.0)(x), wanted, atol=1e-5, rtol=1e-4)


def test_bad_features_are_refused(tmp_path: Path) -> None:
    for options in ({}, {"top": 2, "features": (1,)}):
        with pytest.raises(ValueError, match="either `features` or `top`"):
            Config.model_validate({"grid": (0.0, 1.0), **options})
    for features in ((40,), (3, 3)):
        with pytest.raises(ProfileError, match="different ids of the SAE's 40"):
            toys.fitted("sae_edit", tmp_path / str(features), top=0, features=features)


def test_a_feature_that_is_never_active_cannot_be_clamped(tmp_path: Path) -> None:
    tensors = fsrl_toys.toy_tensors()
    tensors["b_enc"][7] = -100.0
    fsrl_toys.write_sae(tmp_path / "sae", tensors)
    with pytest.raises(FitError, match="active in no response"):
        toys.fitted("sae_edit_clamp", tmp_path, features=(7,))
