"""Muon beside AdamW: which parameters it gets, that its step is torch's, and that it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
import training_toys as toys
from torch import nn

from baselines import full_simpo
from fsrl.arm import Arm
from fsrl.config import Config
from harness.core.errors import ProfileError
from harness.profiles.profile import Profile
from harness.training import worker
from harness.training.declared import check_declared
from harness.training.optimizer import declared_groups, make_optimizer
from harness.training.trainer import PairTrainer


def muon(**changes: Any) -> Profile:
    return toys.profile(optimizer="muon", max_grad_norm=0.0, **changes)


def test_adamw_has_the_arms_groups_as_they_are() -> None:
    groups = [{"params": [torch.zeros(2, 2)], "lr": 1e-3}]
    assert declared_groups(toys.profile().training, groups, toys.model()) == groups


def test_muon_gets_the_matrices_between_the_embeddings() -> None:
    model = toys.model()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = declared_groups(muon().training, [{"params": list(model.parameters()), "lr": 2e-3}], model)
    assert [(group["use_muon"], group["lr"]) for group in groups] == [(True, 2e-3), (False, 2e-3)]
    matrices, rest = ({names[id(one)] for one in group["params"]} for group in groups)
    assert matrices == {name for name in names.values() if "proj" in name}
    assert rest == {name for name in names.values() if "norm" in name} | {"model.embed_tokens.weight"}


def test_an_adapters_bias_and_thresholds_stay_with_adamw(tmp_path: Path) -> None:
    config = Config(
        learning_rate=1e-3, penalty_coefficient=0.1, activation="soft_threshold", soft_threshold=1e-6
    )
    arm, model = Arm(config, fsrl_toys.toy_scene(fsrl_toys.write_sae(tmp_path / "sae"))), toys.model()
    arm.prepare(model)
    groups = declared_groups(muon().training, arm.parameter_groups(model), model)
    assert [[one.ndim for one in group["params"]] for group in groups] == [[2], [1, 1]]


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (6, 6)])
def test_a_step_is_that_of_torchs_muon(shape: tuple[int, int]) -> None:
    """Four steps with weight decay; torch.optim.Muon is the oracle. Both iterate in bfloat16."""
    torch.manual_seed(3)
    start, gradients = torch.randn(shape), torch.randn(4, *shape)
    mine, torchs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    profile = muon(weight_decay=0.1)
    groups = declared_groups(profile.training, [{"params": [mine], "lr": 0.02}], toys.model())
    ours = make_optimizer(profile.training, groups)
    theirs = torch.optim.Muon([torchs], lr=0.02, weight_decay=0.1)
    for gradient in gradients:
        mine.grad, torchs.grad = gradient.clone(), gradient.clone()
        ours.step()
        theirs.step()
    assert float((torchs.detach() - start).abs().max()) > 0.02
    torch.testing.assert_close(mine, torchs, atol=2e-3, rtol=0)


def test_the_rest_steps_as_adamw() -> None:
    torch.manual_seed(4)
    start, gradients = torch.randn(7), torch.randn(4, 7)
    mine, torchs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    section = muon(weight_decay=0.1).training
    ours = make_optimizer(section, declared_groups(section, [{"params": [mine], "lr": 0.02}], toys.model()))
    theirs = torch.optim.AdamW([torchs], lr=0.02, weight_decay=0.1)
    for gradient in gradients:
        mine.grad, torchs.grad = gradient.clone(), gradient.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(mine, torchs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("arm", ["full", "fsrl"])
def test_both_trained_arms_train_with_muon(tmp_path: Path, arm: str) -> None:
    used = muon(epochs=10, schedule="constant_with_warmup")
    if arm == "full":
        trained: Any = full_simpo.Arm(full_simpo.Config(learning_rate=1e-3), None)  # type: ignore[arg-type]
    else:
        config = Config(learning_rate=1e-2, penalty_coefficient=0.0)
        trained = Arm(config, fsrl_toys.toy_scene(fsrl_toys.write_sae(tmp_path / "sae")))
    made = _trainer(tmp_path, used, trained)
    made.train()
    check_declared(made, used)
    assert type(made.optimizer.optimizer).__name__ == "MuonWithAuxAdam"
    losses = [step.loss for step in made.steps]
    assert losses[-1] < losses[0] - 0.05


def _trainer(tmp_path: Path, used: Profile, arm: Any) -> PairTrainer:
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    model = toys.model()
    arm.prepare(model)
    rows = worker.training_rows(spec, used, toys.tokenizer())
    return worker.make_trainer(spec, used, arm, model, toys.tokenizer(), rows)


@pytest.mark.parametrize("bad", [{"max_grad_norm": 1.0}, {"max_grad_norm": 0.0, "offload_optimizer": True}])
def test_muon_with_clipping_or_offload_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ProfileError, match="muon"):
        toys.profile(optimizer="muon", **bad)
