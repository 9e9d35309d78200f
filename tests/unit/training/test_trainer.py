"""The trainer on a tiny model, in plain PyTorch: what it does, records and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
import training_toys as toys
from transformers import Gemma2ForCausalLM

from baselines import full_simpo
from fsrl.arm import Arm
from fsrl.config import Config
from harness.arm import Penalty
from harness.core.errors import TrainingError
from harness.profiles.profile import Profile
from harness.training import worker
from harness.training.declared import check_declared
from harness.training.loss import response_logprobs, simpo_losses
from harness.training.order import batch_order
from harness.training.pairs import collate
from harness.training.trainer import PairTrainer
from harness.training.watch import Watch


class Penalised(full_simpo.Arm):
    """Adds a constant, and notes at which progress it was asked."""

    def __init__(self) -> None:
        self.config = full_simpo.Config(learning_rate=1e-3)
        self.asked: list[float] = []

    def penalty(self, attention_mask_BxT: Any, response_mask_BxT: Any, progress: float) -> Any:
        self.asked.append(progress)
        assert bool((response_mask_BxT <= attention_mask_BxT.bool()).all())
        zeros = torch.zeros(attention_mask_BxT.shape)
        return Penalty(torch.tensor(0.25), zeros, zeros, attention_mask_BxT.bool())


def trainer(
    tmp_path: Path, used: Profile, arm: Any = None, model: Gemma2ForCausalLM | None = None
) -> tuple[PairTrainer, worker.Rows]:
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    rows = worker.training_rows(spec, used, toys.tokenizer())
    arm = arm or Penalised()
    model = model or toys.model()
    arm.prepare(model)
    return worker.make_trainer(spec, used, arm, model, toys.tokenizer(), rows), rows


def test_it_is_trls_trainer_with_simpos_settings(tmp_path: Path) -> None:
    made, _ = trainer(tmp_path, toys.profile())
    assert (made.loss_type, made.cpo_alpha, made.beta, made.simpo_gamma) == ("simpo", 0.0, 10.0, 5.0)
    chosen, rejected = torch.tensor([-1.0, -3.0]), torch.tensor([-1.4, -2.0])
    losses, _, _ = made.cpo_loss(chosen, rejected)
    torch.testing.assert_close(losses, simpo_losses(chosen, rejected, beta=10.0, gamma=5.0))


def test_a_run_records_losses_rates_and_tokens(tmp_path: Path) -> None:
    used, arm = toys.profile(epochs=2), Penalised()
    made, rows = trainer(tmp_path, used, arm)
    made.train()
    check_declared(made, used)
    assert len(made.steps) == 4
    with torch.no_grad():
        first = collate([rows.tokens[index] for index in rows.order[:4]], 0)
        chosen, rejected = response_logprobs(toys.model(), first).chunk(2)
        wanted = float(simpo_losses(chosen, rejected, beta=10.0, gamma=5.0).mean())
    assert made.steps[0].loss == pytest.approx(wanted, abs=1e-5)
    assert made.steps[0].penalised_loss == pytest.approx(wanted + 0.25, abs=1e-5)
    assert made.steps[0].rates == (0.0,)
    assert made.steps[1].rates == (1e-3,)
    assert made.steps[0].tokens == int(first.attention_mask_BxT.sum())
    assert all(step.grad_norm is not None and step.grad_norm > 0 for step in made.steps)
    assert arm.asked == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0])
    assert arm.asked[0] < 0.25
    assert made.steps[-1].loss < made.steps[0].loss


def test_the_linear_schedule_is_what_the_optimiser_used(tmp_path: Path) -> None:
    used = toys.profile(epochs=2, schedule="linear")  # 4 steps, one of warm-up
    made, _ = trainer(tmp_path, used)
    made.train()
    check_declared(made, used)
    assert [step.rates[0] for step in made.steps] == pytest.approx([0.0, 1e-3, 2e-3 / 3, 1e-3 / 3])


def test_a_last_step_with_fewer_pairs_counts_its_pairs(tmp_path: Path) -> None:
    used = toys.profile(data__train_pairs=5)
    made, rows = trainer(tmp_path, used)
    made.train()
    check_declared(made, used)
    assert len(made.steps) == 2
    assert made.steps[1].tokens == int(collate([rows.tokens[rows.order[4]]], 0).attention_mask_BxT.sum())


def test_two_runs_are_equal(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        made, _ = trainer(tmp_path / name, toys.profile())
        made.train()
        runs.append(made.steps)
    assert runs[0] == runs[1]


def test_the_order_is_a_permutation_an_epoch_and_follows_the_seed() -> None:
    order = batch_order(10, 2, seed=42)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert order == batch_order(10, 2, seed=42) != batch_order(10, 2, seed=7)


@pytest.mark.parametrize("window", [0, 5])
def test_neighbouring_seeds_share_no_epoch(window: int) -> None:
    runs = [
        batch_order(20, 4, seed, lengths=list(range(20)), window=window, batch=2) for seed in range(40, 48)
    ]
    epochs = [tuple(run[start : start + 20]) for run in runs for start in range(0, 80, 20)]
    assert len(set(epochs)) == len(epochs)


def test_the_first_epoch_is_the_permutation_of_the_seed() -> None:
    """Committed results were trained for one epoch: their order must not change."""
    drawn = torch.randperm(20, generator=torch.Generator().manual_seed(42)).tolist()
    assert batch_order(20, 3, 42)[:20] == batch_order(20, 1, 42) == drawn


def test_a_loss_that_is_not_finite_stops_training(tmp_path: Path) -> None:
    broken = toys.model()
    with torch.no_grad():
        broken.model.norm.weight[0] = float("nan")
    made, _ = trainer(tmp_path, toys.profile(), model=broken)
    with pytest.raises(TrainingError, match="loss is not a finite number"):
        made.train()


def test_a_gradient_that_is_not_finite_stops_training(tmp_path: Path) -> None:
    model = toys.model()
    model.model.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
    made, _ = trainer(tmp_path, toys.profile(), model=model)
    with pytest.raises(TrainingError, match="gradient is not a finite number"):
        made.train()


def test_another_schedule_than_the_declared_one_is_caught(tmp_path: Path) -> None:
    used = toys.profile(epochs=4)
    made, _ = trainer(tmp_path, used)
    made.args.lr_scheduler_type = "constant_with_warmup"
    made.train()
    with pytest.raises(TrainingError, match="different learning rate"):
        check_declared(made, used)


def test_another_clipping_than_the_declared_one_is_caught(tmp_path: Path) -> None:
    used = toys.profile()
    made, _ = trainer(tmp_path, used)
    made.args.max_grad_norm = 0.0
    made.train()
    with pytest.raises(TrainingError, match="clipped"):
        check_declared(made, used)


def test_training_stops_when_nobody_waits_for_it(tmp_path: Path) -> None:
    from harness.training.exchange import Exchange

    made, _ = trainer(tmp_path, toys.profile())
    made.on_step = Watch(Exchange(tmp_path), parent=2**22 + 1)
    with pytest.raises(TrainingError, match="is gone"):
        made.train()


def test_the_penalty_is_off_for_the_first_fifth_of_the_steps(tmp_path: Path) -> None:
    """`penalty_warmup = 0.2` over ten steps: two without, eight with; both losses are recorded."""
    used = toys.profile(epochs=5, max_grad_norm=0.0, schedule="constant_with_warmup")
    config = Config(learning_rate=1e-3, penalty_coefficient=0.5, penalty_warmup=0.2, penalty_positions="all")
    folder = fsrl_toys.write_sae(tmp_path / "sae")
    made, _ = trainer(tmp_path, used, Arm(config, fsrl_toys.toy_scene(folder)))
    made.train()
    check_declared(made, used)
    assert len(made.steps) == 10
    added = [step.penalised_loss - step.loss for step in made.steps]
    assert added[:2] == [0.0, 0.0]
    assert all(extra > 0 for extra in added[2:])


def test_the_penalty_begins_at_the_authors_step(tmp_path: Path) -> None:
    """int(10 * 0.25) = 2 steps without; it was 3."""
    used = toys.profile(epochs=5, max_grad_norm=0.0)
    config = Config(learning_rate=1e-3, penalty_coefficient=0.5, penalty_warmup=0.25)
    arm = Arm(config, fsrl_toys.toy_scene(fsrl_toys.write_sae(tmp_path / "sae")))
    made, _ = trainer(tmp_path, used, arm)
    made.train()
    assert [step.penalised_loss > step.loss for step in made.steps] == [False] * 2 + [True] * 8
