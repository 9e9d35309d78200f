"""Whether weights moved, and whether what was saved is what was trained."""

from __future__ import annotations

import pytest
import torch
import training_toys as toys

from harness.core.errors import TrainingError
from harness.training.loss import response_logprobs, simpo_losses
from harness.training.movement import (
    check_gradients,
    check_moved,
    check_reload,
    least_norm,
    snapshot,
    weights_moved,
)
from harness.training.pairs import PairTokens, collate


def train(parameter: torch.nn.Parameter, steps: int, rate: float) -> None:
    draw = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW([parameter], lr=rate, weight_decay=0.0)
    for _ in range(steps):
        parameter.grad = torch.randn(parameter.shape, generator=draw).to(parameter.dtype)
        optimizer.step()


def test_by_hand() -> None:
    start = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}
    moved = weights_moved(
        start, {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor([3.0, 4.0]), "c": torch.ones(9)}
    )
    assert (moved.entries, moved.fraction_changed, moved.mean_absolute_change) == (4, 0.25, 0.125)


def test_bfloat16_without_master_weights_is_caught() -> None:
    start = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    naive = torch.nn.Parameter(start.bfloat16())
    train(naive, 20, 2e-7)
    stuck = weights_moved({"w": start.bfloat16()}, {"w": naive})
    with pytest.raises(TrainingError, match="weights changed"):
        check_moved(stuck, 0.5)
    master = torch.nn.Parameter(start.clone())
    train(master, 20, 2e-7)
    check_moved(weights_moved({"w": start}, {"w": master}), 0.5)


def test_a_weight_that_is_gone_is_refused() -> None:
    with pytest.raises(TrainingError, match="missing from the saved arm"):
        weights_moved({"a": torch.ones(2)}, {})


def test_the_snapshot_holds_copies_of_trainable_weights_only() -> None:
    model = toys.model()
    model.requires_grad_(False)
    model.model.norm.weight.requires_grad_(True)
    taken = snapshot(model)
    assert list(taken) == ["model.norm.weight"]
    with torch.no_grad():
        model.model.norm.weight.add_(1)
    assert not torch.equal(taken["model.norm.weight"], model.model.norm.weight)


def test_reload_wants_equal_logits_and_ties() -> None:
    ids = torch.tensor([[2, 9, 10]])
    check_reload(toys.model(0), toys.model(0), ids)
    with pytest.raises(TrainingError, match="other logits"):
        check_reload(toys.model(0), toys.model(1), ids)
    untied = toys.model(0)
    untied.lm_head.weight = torch.nn.Parameter(untied.lm_head.weight.detach().clone())
    with pytest.raises(TrainingError, match="tied"):
        check_reload(toys.model(0), untied, ids)


def trained(
    rejected: list[int], decay: float = 0.0
) -> tuple[dict[str, torch.Tensor], list[float], torch.nn.Module]:
    """The start, the gradients' norms and the model after five steps of SimPO on one pair."""
    model = toys.model(0)
    start = snapshot(model)
    batch = collate([PairTokens([2, 9, 10], [11, 12, 13, 14], rejected)] * 2, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=decay)
    norms = []
    for _ in range(5):
        optimizer.zero_grad()
        chosen_B, rejected_B = response_logprobs(model, batch).chunk(2)
        simpo_losses(chosen_B, rejected_B, beta=10.0, gamma=5.0).mean().backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
    return start, norms, model


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_rounding_and_weight_decay_move_weights_and_are_no_training(decay: float) -> None:
    """Identical answers: most weights change all the same, which alone said that all was well."""
    start, norms, model = trained([11, 12, 13, 14], decay)
    check_moved(weights_moved(start, dict(model.named_parameters())), 0.25)
    with pytest.raises(TrainingError, match="no step had a gradient above rounding"):
        check_gradients(norms, 10.0)


def test_answers_that_differ_in_one_token_are_a_training() -> None:
    _, norms, _ = trained([11, 12, 13, 15])
    assert min(norms) > 1000 * least_norm(10.0)
    check_gradients(norms, 10.0)
    check_gradients([*[0.0] * 9, norms[0]], 10.0)
    check_gradients([None], 10.0)
