"""The arms that train an edit at one block or adapters: zero is the base, what moves, files, refusals."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file, save_file

from baselines import lora, reft_r1, sparse_vector, static_vector
from fsrl.adapter import L0_FLOOR
from harness.arm import Dial
from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, HarnessError, MissingInputError, ProfileError, TrainingError
from harness.models.residual import residual_reader
from harness.profiles.profile import Profile, parse_profile
from harness.training import worker
from harness.training.arm_file import CARD, WEIGHTS
from harness.training.exchange import Exchange
from harness.training.objective import check_suits, load_objective
from harness.training.trained_edit import tensors_of

ARMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dense": (static_vector, {}),
    "sparse": (sparse_vector, {}),
    "sparse none": (sparse_vector, {"nonlinearity": "none"}),
    "reft": (reft_r1, {}),
    "lora": (lora, {"r": 3}),
    "lora above": (lora, {"r": 2, "first_layer": 2, "targets": ["q_proj", "down_proj"]}),
}
IDS = torch.tensor([[2, 9, 10, 11, 12, 13, 14, 15, 3], [2, 20, 21, 22, 23, 24, 25, 26, 5]])


@pytest.fixture(params=list(ARMS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """The module and a fresh arm of it."""
    module, options = ARMS[request.param]
    return module, arm_of(module, tmp_path, **options)


def arm_of(module: Any, root: Path, **options: Any) -> Any:
    folder = root / "sae"
    scene = fsrl_toys.toy_scene(folder if folder.is_dir() else fsrl_toys.write_sae(folder))
    return module.Arm(module.Config.model_validate({"learning_rate": 1e-2} | options), scene)


def trained_tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: one for name, one in model.named_parameters() if "trained_edit" in name or ".lora_" in name}


def moved(model: Any) -> None:
    draw = torch.Generator().manual_seed(5)
    for tensor in trained_tensors(model).values():
        tensor.data += torch.randn(tensor.shape, generator=draw).to(tensor.dtype)


@torch.no_grad()
def logits(model: Any, ids: torch.Tensor = IDS, **inputs: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=ids, use_cache=False, **inputs).logits
    return found


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


# The vectors


def residual(model: Any, layer: int) -> torch.Tensor:
    with residual_reader(model, layer) as read:
        return read(IDS)


def test_the_dense_vector_is_added_at_every_position(tmp_path: Path) -> None:
    arm, model = arm_of(static_vector, tmp_path), fsrl_toys.toy_model()
    before = residual(model, 1)
    arm.prepare(model)
    vector = tensors_of(model)["vector"]
    vector.data.copy_(torch.arange(16.0))
    seen: list[torch.Tensor] = []
    model.model.layers[2].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits(model)
    torch.testing.assert_close(seen[0], before + torch.arange(16.0))
    arm.dial.factor = -2.0
    logits(model)
    torch.testing.assert_close(seen[1], before - 2 * torch.arange(16.0))
    arm.dial.nulled = True
    logits(model)
    unit = torch.arange(16.0) / torch.arange(16.0).norm()
    assert (seen[2] @ unit).abs().max() < 1e-4
    torch.testing.assert_close(seen[2] + (before @ unit).unsqueeze(-1) * unit, before)
    vector.data.zero_()
    logits(model)
    assert torch.equal(seen[3], before), "a vector of zeros has no direction"


def test_reft_adds_what_it_detects(tmp_path: Path) -> None:
    """By hand: u = (0.6, 0.8), x = (1, 2) and (-1, -2): s ReLU(x . u) u = 2 * 2.2 * u, and 0."""
    arm = arm_of(reft_r1, tmp_path)
    tensors = {"vector": torch.tensor([3.0, 4.0]), "scale": torch.tensor([2.0])}
    x = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    torch.testing.assert_close(arm.change(x, tensors), torch.tensor([[2.64, 3.52], [0.0, 0.0]]))
    arm.dial = Dial(nulled=True)
    torch.testing.assert_close(arm.change(x, tensors), torch.tensor([[-1.32, -1.76], [1.32, 1.76]]))


def test_the_sparse_vector_edits_features_and_counts_those_that_can_move(tmp_path: Path) -> None:
    arm, model = arm_of(sparse_vector, tmp_path), fsrl_toys.toy_model()
    arm.prepare(model)
    sae = arm.sae
    x = residual(model, 1)[0]
    w = torch.linspace(-1, 1, fsrl_toys.D_SAE)
    f = sae.encode(x)
    wanted = sae.decode((f + w).relu()) + (x - sae.decode(f))
    torch.testing.assert_close(x + arm.change(x, {"vector": w}), wanted, atol=1e-5, rtol=1e-4)
    rows = pair_tokens()
    facts = arm.over_rows(model, rows, 0, 2)
    active = set()
    for row in rows:
        for response in (row.chosen, row.rejected):
            with residual_reader(model, 1) as read:
                found = sae.encode(read(torch.tensor([row.prompt + response]))[0])
            active |= set((found > 0).any(0).nonzero().flatten().tolist())
    assert facts == {"active_features": len(active), "movable": pytest.approx(len(active) / 40)}
    assert arm.movable == facts["movable"]


def pair_tokens() -> list[Any]:
    from harness.training.pairs import PairTokens

    return [PairTokens([2, 8, 9], [10, 11, 1], [12, 1]), PairTokens([2, 7], [9, 1], [13, 14, 15, 1])] * 2


def test_the_sparse_penalty_is_the_sum_of_the_entries(tmp_path: Path) -> None:
    arm, model = arm_of(sparse_vector, tmp_path, penalty_coefficient=0.5), fsrl_toys.toy_model()
    arm.prepare(model)
    tensors_of(model)["vector"].data[:3] = torch.tensor([1.0, -2.0, L0_FLOOR / 2])
    model(input_ids=IDS)
    mask = torch.ones_like(IDS)
    mask[1, 6:] = 0
    penalty = arm.penalty(mask, mask.bool(), 1.0)
    assert float(penalty.loss.detach()) == pytest.approx(0.5 * 3, rel=1e-6)
    assert penalty.l0_BxT.shape == penalty.l1_BxT.shape == IDS.shape
    assert (float(penalty.l0_BxT[0, 0]), int(penalty.counted_BxT.sum())) == (2.0, 15)
    penalty.loss.backward()
    grad = tensors_of(model)["vector"].grad
    assert grad is not None
    torch.testing.assert_close(grad[:3], torch.tensor([0.5, -0.5, 0.5]))


# LoRA


def test_no_adapter_is_merged_and_the_draw_follows_the_seed(tmp_path: Path) -> None:
    arm, model, base = arm_of(lora, tmp_path, r=2), fsrl_toys.toy_model(), fsrl_toys.toy_model()
    torch.manual_seed(123)
    state = torch.get_rng_state()
    arm.prepare(model)
    assert torch.equal(torch.get_rng_state(), state), "the run's own draws go on as if nothing had been drawn"
    moved(model)
    weights = dict(base.named_parameters())
    kept = [name for name, _ in model.named_parameters() if "base_layer" in name]
    assert len(kept) == 4 * 7
    for name in kept:
        assert torch.equal(model.get_parameter(name), weights[name.replace(".base_layer", "")])
    again, other = fsrl_toys.toy_model(), fsrl_toys.toy_model()
    arm_of(lora, tmp_path, r=2).prepare(again)
    lora.Arm(arm.config, arm.scene._replace(seed=8)).prepare(other)
    fresh = fsrl_toys.toy_model()
    lora.Arm(arm.config, arm.scene).prepare(fresh)
    pairs = zip(lora.adapters(again).values(), lora.adapters(fresh).values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(lora.adapters(again).values(), lora.adapters(other).values(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_at_the_first_step_only_b_has_a_gradient(tmp_path: Path) -> None:
    arm, model = arm_of(lora, tmp_path, r=2), fsrl_toys.toy_model()
    arm.prepare(model)
    model(input_ids=IDS, labels=IDS).loss.backward()
    for name, tensor in lora.adapters(model).items():
        assert tensor.grad is not None
        assert bool(tensor.grad.any()) is ("lora_B" in name), name


@pytest.mark.parametrize(
    ("entries", "a_rank", "wanted", "total"),
    [
        (197_632, 20_352, 10, 203_520),
        (1_181_696, 305_280, 4, 1_221_120),
        (151_060_480, 1_297_920, 116, 150_558_720),
        (469_893_120, 3_376_128, 139, 469_281_792),
        (5, 2, 2, 4),
        (1, 1000, 1, 1000),
    ],
)
def test_the_matched_rank(entries: int, a_rank: int, wanted: int, total: int) -> None:
    """The four profiles, worked by hand; a tie goes down; never 0."""
    assert lora.matched(entries, a_rank) == wanted
    assert wanted * a_rank == total


def test_the_facts_have_both_counts(tmp_path: Path) -> None:
    """40 features of 16: 680 entries; a block of this model has 16+16, 16+8, 16+8, 16+16, 3 (16+32) = 256."""
    arm, model = arm_of(lora, tmp_path, r="matched"), fsrl_toys.toy_model()
    arm.prepare(model)
    facts = arm.at_start(model, IDS, torch.ones_like(IDS))
    assert facts == {"rank": 1, "adapters": 28, "entries": 4 * 256, "fsrl_entries": 680}


# Through the trainer


def used(name: str, objective: dict[str, Any] | None = None, **training: Any) -> Profile:
    module, options = ARMS[name]
    data = toys.profile(sae__layer=1, **training).resolved()
    data["arms"]["one"] = {"module": module.__name__, "title": "One", "learning_rate": 1e-2, **options}
    if objective:
        data["training"]["objective"] = objective
    return parse_profile(data, where="the tests")


def run(root: Path, profile: Profile) -> tuple[Any, dict[str, torch.Tensor]]:
    spec = toys.order(toys.prepared_run(root, profile), profile, engine=None, arm="one")
    if not Path(spec.sae_dir).is_dir():
        fsrl_toys.write_sae(Path(spec.sae_dir))
    exchange = Exchange(Path(spec.folder))
    return worker.train(spec, exchange), load_file(exchange.weights / WEIGHTS)


@pytest.mark.parametrize("name", ["dense", "sparse", "reft", "lora"])
def test_training_moves_it_is_deterministic_and_the_cache_changes_rounding_only(
    tmp_path: Path, name: str
) -> None:
    shared = {"share_prompt": True, "epochs": 2}
    one, weights = run(tmp_path / "a", used(name, **shared))
    two, again = run(tmp_path / "b", used(name, **shared))
    assert one.loss_trace == two.loss_trace
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert one.moved.fraction_changed > 0.4
    assert one.facts["objective"] == {"name": "simpo"}
    cached, kept = run(tmp_path / "c", used(name, activation_cache_gib=0.01, **shared))
    assert cached.facts["activation_cache"] is (name != "lora")
    assert cached.loss_trace == pytest.approx(one.loss_trace, abs=1e-5)
    for key, tensor in weights.items():
        assert (kept[key] - tensor).abs().max() < 1e-4, key


@pytest.mark.parametrize("name", ["dense", "sparse", "reft", "lora"])
def test_dpo_starts_at_ln_2(tmp_path: Path, name: str) -> None:
    result, _ = run(tmp_path, used(name, {"name": "dpo"}, warmup_ratio=0.5, epochs=2))
    assert result.facts["objective"] == {"name": "dpo"}
    assert result.learning_rate_trace[0] == 0.0
    assert result.loss_trace[:2] == pytest.approx([log(2)] * 2, abs=1e-6), "no rate, no step"
    assert result.loss_trace[-1] != pytest.approx(log(2), abs=1e-6)


@pytest.mark.parametrize(
    "objective", [{"name": "dpo", "bidirectional": True}, {"name": "reps", "factors": [1.0, 3.0]}]
)
def test_objectives_that_turn_the_edit(tmp_path: Path, objective: dict[str, Any]) -> None:
    results = [run(tmp_path / root, used("dense", objective, epochs=2)) for root in "ab"]
    assert results[0][0].loss_trace == results[1][0].loss_trace
    assert results[0][0].moved.fraction_changed == 1.0


@pytest.mark.parametrize(
    ("name", "objective", "changes", "said"),
    [
        ("lora", {"name": "reps"}, {}, "this arm does not offer"),
        ("sparse", {"name": "reps"}, {}, "this arm does not offer"),
        ("lora", {"name": "dpo", "bidirectional": True}, {}, "this arm does not offer"),
        ("dense", {"name": "reps"}, {"gradient_checkpointing": True}, "gradient checkpointing repeats"),
        ("dense", {"name": "ipo"}, {}, "no such objective"),
        ("dense", {"name": "dpo", "tau": 1.0}, {}, "refuses its options: tau"),
        ("dense", {"name": "simpo", "beta": 1.0}, {}, "refuses its options: beta"),
        ("dense", {"name": "reps", "factors": []}, {}, "refuses its options: factors"),
    ],
)
def test_objectives_that_do_not_suit_are_refused(
    tmp_path: Path, name: str, objective: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProfileError, match=said):
        run(tmp_path, used(name, objective, **changes))


def test_bipo_suits_the_sparse_vector() -> None:
    section = used("sparse", {"name": "dpo", "bidirectional": True}).training
    check_suits(load_objective(section), section, Dial(can_null=False), "one")


def test_an_arm_that_trains_what_it_declares_frozen_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora.Arm, "frozen_through", staticmethod(lambda config, sae: 0))
    with pytest.raises(TrainingError, match="declares blocks up to 0 frozen"):
        run(tmp_path, used("lora"))


def test_every_error_here_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as caught:
        arm_of(lora, tmp_path, r=9).prepare(fsrl_toys.toy_model())
    assert caught.value.remedy
