"""Every fitted arm: the base at strength 0, back as it was, resumed, refused where it is not its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import residual_toys as toys
import torch

from harness.core.errors import DamagedFileError, MissingInputError, ProfileError, TrainingError
from harness.training import search
from harness.training.fitted_file import CARD, WEIGHTS

ARMS = sorted(toys.OPTIONS)
DTYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ARMS)
def test_strength_0_is_the_base_bit_for_bit(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    arm, model = toys.arm(name, tmp_path), fsrl_toys.toy_model(dtype=dtype)
    base = toys.logits(model)
    with torch.no_grad():
        for setting in arm.settings(model, toys.rows(tmp_path / "u")):
            handle = arm._attach(model, setting, 0.0)
            assert torch.equal(toys.logits(model), base)
            handle.remove()
            handle = arm._attach(model, setting, 2.0)
            assert not torch.equal(toys.logits(model), base)
            handle.remove()


@pytest.mark.parametrize("name", ARMS)
def test_a_fitted_arm_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    made = toys.fitted(name, tmp_path)
    table = made.found.search
    assert table is not None
    assert [one.strength for one in table.tried].count(0.0) == 1
    assert min(one.loss for one in table.tried) == table.best.loss
    assert made.found.facts["helped"] == (table.best.strength != 0)
    fresh = fsrl_toys.toy_model()
    toys.arm(name, tmp_path / "sae").load(fresh, made.folder)
    assert torch.equal(toys.logits(fresh), toys.logits(made.model))
    assert not any(parameter.requires_grad for parameter in fresh.parameters())
    if made.found.facts["helped"]:
        assert not torch.equal(toys.logits(fresh), toys.logits(fsrl_toys.toy_model()))


@pytest.mark.parametrize("name", ARMS)
def test_two_fits_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    one, other = (toys.fitted(name, tmp_path / part) for part in "ab")
    assert one.found == other.found
    for file in (CARD, WEIGHTS):
        assert (one.folder / file).read_bytes() == (other.folder / file).read_bytes()


class Killed(Exception):
    """The fit was interrupted."""


@pytest.mark.parametrize("name", ARMS)
def test_an_interrupted_search_goes_on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = toys.fitted(name, tmp_path / "whole")

    def killed(done: int, *_: Any) -> None:
        if done == 3:
            raise Killed

    again = tmp_path / "again"
    with pytest.raises(Killed):
        toys.fitted(name, again, toys.rows(tmp_path / "kept", killed))
    for file in (again / "weights").iterdir():
        file.unlink()
    (again / "weights").rmdir()
    counted = []
    measured = search.held_back_loss
    monkeypatch.setattr(search, "held_back_loss", lambda *a: counted.append(1) or measured(*a))
    resumed = toys.fitted(name, again, toys.rows(tmp_path / "kept"))
    assert resumed.found == whole.found
    assert whole.found.search is not None
    assert len(counted) == len(whole.found.search.tried) - 3
    assert (resumed.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize("name", ARMS)
def test_an_edit_depends_on_its_own_position_alone(name: str, tmp_path: Path) -> None:
    made = toys.fitted(name, tmp_path)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.int64), toys.IDS], dim=1)
    mask = (padded != 0).long()
    got = toys.logits(
        made.model, padded, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0)
    )
    torch.testing.assert_close(got[:, 3:], toys.logits(made.model), atol=1e-5, rtol=1e-5)


def test_what_is_not_its_own_is_refused(tmp_path: Path) -> None:
    made = toys.fitted("sas", tmp_path)
    scene = made.arm.scene
    for what, changed in (
        ("model_sha256", scene._replace(model_digest="x")),
        ("sae_sha256", scene._replace(sae_digest="x")),
    ):
        with pytest.raises(ProfileError, match=f"another {what}"):
            type(made.arm)(made.arm.config, changed).load(fsrl_toys.toy_model(), made.folder)
    with pytest.raises(ProfileError, match="another options"):
        toys.arm("sas", tmp_path / "sae", mean="all").load(fsrl_toys.toy_model(), made.folder)
    file = made.folder / WEIGHTS
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        made.arm.load(fsrl_toys.toy_model(), made.folder)
    file.unlink()
    with pytest.raises(MissingInputError, match="tensors are missing"):
        made.arm.load(fsrl_toys.toy_model(), made.folder)
    file.write_bytes(whole)
    (made.folder / CARD).write_text("{}")
    with pytest.raises(DamagedFileError, match="card"):
        made.arm.load(fsrl_toys.toy_model(), made.folder)


def test_other_tensors_than_the_cards_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    made = toys.fitted("diffmean", tmp_path)
    for tensor in (torch.ones(15), torch.full((16,), float("nan"))):
        save_file({"vector": tensor}, made.folder / WEIGHTS)
        with pytest.raises(DamagedFileError, match="not those of the card"):
            made.arm.load(fsrl_toys.toy_model(), made.folder)


@pytest.mark.parametrize("grid", [(1.0, 2.0), (0.0,), (0.0, float("inf")), tuple(range(17))])
def test_grids_that_compare_nothing_or_too_much_are_refused(grid: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="search"):
        toys.fitted("diffmean", tmp_path, grid=tuple(map(float, grid)))


def test_a_block_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="4 blocks"):
        toys.fitted("diffmean", tmp_path, layers=(9,))


def test_the_search_takes_one_of_several_blocks(tmp_path: Path) -> None:
    made = toys.fitted("diffmean", tmp_path, layers=(0, 2), grid=(0.0, 1.0, 4.0))
    assert made.found.search is not None
    assert [(one.options, one.strength) for one in made.found.search.tried] == [
        ({}, 0.0),
        ({"layer": 0}, 1.0),
        ({"layer": 0}, 4.0),
        ({"layer": 2}, 1.0),
        ({"layer": 2}, 4.0),
    ]
    assert made.arm.frozen_through(made.arm.config, made.arm.scene.sae) == 0
    assert toys.arm("sas", tmp_path / "sae").frozen_through(made.arm.config, made.arm.scene.sae) == 0
    if made.found.search.best.options:
        assert made.found.facts["layer"] == made.found.search.best.options["layer"]


def test_it_cannot_be_trained(tmp_path: Path) -> None:
    arm = toys.arm("diffmean", tmp_path)
    model = fsrl_toys.toy_model()
    for refused in (arm.prepare, arm.parameter_groups, lambda m: arm.save(m, tmp_path)):
        with pytest.raises(TrainingError, match="not trained"):
            refused(model)
    assert arm.penalty(torch.ones(1, 1), torch.ones(1, 1), 1.0) is None
