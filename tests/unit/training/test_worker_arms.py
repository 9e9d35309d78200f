"""Trained arms through the trainer: deterministic, with the cache, under each objective, and refusals."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
from arm_toys import arm_of, run, used

from baselines import lora
from harness.arm import Dial
from harness.core.errors import HarnessError, ProfileError, TrainingError
from harness.training.objective import check_suits, load_objective


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
