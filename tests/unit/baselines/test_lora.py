"""LoRA: never merged, its draw, its first gradient, its rank."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import torch
from arm_toys import IDS, arm_of, moved

from baselines import lora
from harness.models.rank import matched


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
    assert matched(entries, a_rank) == wanted
    assert wanted * a_rank == total


def test_the_facts_have_both_counts(tmp_path: Path) -> None:
    """40 features of 16: 680 entries; a block of this model has 16+16, 16+8, 16+8, 16+16, 3 (16+32) = 256."""
    arm, model = arm_of(lora, tmp_path, r="matched"), fsrl_toys.toy_model()
    arm.prepare(model)
    facts = arm.at_start(model, IDS, torch.ones_like(IDS))
    assert facts == {"rank": 1, "adapters": 28, "entries": 4 * 256, "fsrl_entries": 680}
