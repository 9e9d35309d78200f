"""Arms that train an edit or adapters: zero is the base, what moves, files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
from arm_toys import ARMS, IDS, arm_of, logits, moved, trained_tensors
from safetensors.torch import load_file, save_file

from baselines import lora, reft_r1, sparse_vector, static_vector
from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.training.arm_file import CARD, WEIGHTS


@pytest.fixture(params=list(ARMS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """The module and a fresh arm of it."""
    module, options = ARMS[request.param]
    return module, arm_of(module, tmp_path, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_arm_as_prepared_is_the_base_bit_for_bit(made: Any, dtype: torch.dtype) -> None:
    base, model = fsrl_toys.toy_model(dtype=dtype), fsrl_toys.toy_model(dtype=dtype)
    base.model.embed_tokens.weight.data[9] = model.model.embed_tokens.weight.data[9] = -0.0
    made[1].prepare(model)
    assert torch.equal(fsrl_toys.bits(logits(base)), fsrl_toys.bits(logits(model)))
    assert {one.dtype for one in trained_tensors(model).values()} == {dtype}
    moved(model)
    assert not torch.equal(logits(base), logits(model))


def test_it_trains_its_own_tensors_and_nothing_else(made: Any) -> None:
    model = fsrl_toys.toy_model()
    made[1].prepare(model)
    (group,) = made[1].parameter_groups(model)
    own = trained_tensors(model)
    assert {id(one) for one in group["params"]} == {id(one) for one in own.values()}
    assert {name for name, one in model.named_parameters() if one.requires_grad} == set(own)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_arm_gives_the_same_logits_in_a_fresh_model(
    made: Any, tmp_path: Path, dtype: torch.dtype
) -> None:
    module, arm = made
    model, fresh = fsrl_toys.toy_model(dtype=dtype), fsrl_toys.toy_model(dtype=dtype)
    arm.prepare(model)
    moved(model)
    (tmp_path / "arm").mkdir()
    arm.save(model, tmp_path / "arm")
    other = module.Arm(arm.config, arm.scene)
    other.load(fresh, tmp_path / "arm")
    assert torch.equal(logits(model), logits(fresh))
    assert not any(one.requires_grad for one in fresh.parameters())
    assert not fresh.training
    assert not any(part.training for part in fresh.modules())
    assert fresh.get_output_embeddings().weight is fresh.get_input_embeddings().weight


def test_a_prompt_alone_is_the_prompt_padded_on_the_left(made: Any) -> None:
    model = fsrl_toys.toy_model()
    made[1].prepare(model)
    moved(model)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.int64), IDS[:1]], 1)
    mask = (torch.arange(12) >= 3).long()[None]
    alone = logits(model, IDS[:1])
    together = logits(model, padded, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0))
    torch.testing.assert_close(together[:, 3:], alone, atol=1e-5, rtol=1e-4)


def test_files_that_are_not_the_arms_are_refused(made: Any, tmp_path: Path) -> None:
    module, arm = made
    model, folder = fsrl_toys.toy_model(), tmp_path / "arm"
    arm.prepare(model)
    folder.mkdir()
    with pytest.raises(MissingInputError):
        arm.load(fsrl_toys.toy_model(), folder)
    arm.save(model, folder)
    whole, card = load_file(folder / WEIGHTS), json.loads((folder / CARD).read_text())

    def damage(tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, folder / WEIGHTS)
        (folder / CARD).write_text(json.dumps(card | {"weights_sha256": digest_file(folder / WEIGHTS)}))

    name = next(iter(whole))
    for broken in (
        {other: one for other, one in whole.items() if other != name},
        whole | {"more": torch.zeros(1)},
        whole | {name: whole[name].double()},
        whole | {name: torch.zeros(7)},
        whole | {name: whole[name] * float("nan")},
    ):
        damage(broken)
        with pytest.raises(DamagedFileError):
            arm.load(fsrl_toys.toy_model(), folder)
    (folder / WEIGHTS).write_bytes(b"no")
    with pytest.raises(DamagedFileError, match="digest"):
        arm.load(fsrl_toys.toy_model(), folder)
    damage(whole)
    scene = arm.scene._replace(model_digest="another")
    with pytest.raises(ProfileError, match="another model_digest"):
        module.Arm(arm.config, scene).load(fsrl_toys.toy_model(), folder)
    changed = arm.config.model_copy(update={"learning_rate": 3.0})
    with pytest.raises(ProfileError, match="another options"):
        module.Arm(changed, arm.scene).load(fsrl_toys.toy_model(), folder)


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        (static_vector, {"layer": 4}, "the model has 4 blocks"),
        (reft_r1, {"layer": 9}, "the model has 4 blocks"),
        (sparse_vector, {"layer": 2}, "was not trained at blocks.2"),
        (lora, {"r": 2, "first_layer": 4}, "blocks 0 to 3"),
        (lora, {"r": 9}, "exceeds the smaller side of a layer, 8"),
        (lora, {"r": 2, "targets": ["q_proj", "w_pack"]}, "no plain linear layer"),
        (lora, {"r": 2, "targets": ["self_attn"]}, "no plain linear layer"),
    ],
)
def test_places_that_are_not_there_are_refused(
    tmp_path: Path, module: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProfileError, match=said):
        arm_of(module, tmp_path, **options).prepare(fsrl_toys.toy_model())


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (lora, {"r": 0}),
        (lora, {"r": "all"}),
        (lora, {"r": 2, "targets": []}),
        (static_vector, {"learning_rate": 0.0}),
        (static_vector, {"penalty_coefficient": 0.1}),
        (sparse_vector, {"penalty_coefficient": -1.0}),
        (sparse_vector, {"nonlinearity": "tanh"}),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, module: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        arm_of(module, tmp_path, **options)


def test_what_is_frozen_is_declared(tmp_path: Path) -> None:
    sae = fsrl_toys.toy_scene(tmp_path).sae
    for module, options, wanted in (
        (static_vector, {}, fsrl_toys.LAYER),
        (reft_r1, {"layer": 3}, 3),
        (lora, {"r": 1}, None),
        (lora, {"r": 1, "first_layer": 2}, 1),
    ):
        config = module.Config.model_validate({"learning_rate": 1.0} | options)
        assert module.Arm.frozen_through(config, sae) == wanted
