"""The residual stream: its place, the order of the hooks on it, and a forward pass that ends there."""

from __future__ import annotations

import pytest
import torch
from fsrl_toys import LAYER, toy_adapter, toy_model, toy_sae

from fsrl.steer import Steering
from harness.core.errors import ProfileError
from harness.models.residual import blocks_to, hook_residual, residual_reader

IDS = torch.tensor([[2, 5, 7, 9, 11, 13, 4], [2, 6, 8, 0, 0, 0, 0]])
MASK = (IDS > 0).long()


def states(model: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        found: tuple[torch.Tensor, ...] = model(
            IDS, attention_mask=MASK, output_hidden_states=True
        ).hidden_states
    return found


@pytest.mark.parametrize("layer", range(3))  # transformers norms what it records of the last block
def test_the_stream_is_what_the_next_block_reads(layer: int) -> None:
    model = toy_model()
    with residual_reader(model, layer) as read:
        assert torch.equal(read(IDS, attention_mask=MASK), states_alone(layer))
    assert not any(block._forward_hooks for block in model.model.layers)


def states_alone(layer: int) -> torch.Tensor:
    return states(toy_model())[layer + 1]


def test_a_reader_comes_before_steering_and_a_recorder_after_it() -> None:
    """Whichever was there first: the reader gets the block's own output, transformers records the steered."""
    model, plain = toy_model(), states_alone(LAYER)
    Steering(toy_adapter(), toy_sae()).attach(model, LAYER)
    with residual_reader(model, LAYER) as read:
        assert torch.equal(read(IDS, attention_mask=MASK), plain)
    assert not torch.equal(states(model)[LAYER + 1], plain)


def test_what_a_hook_returns_goes_on() -> None:
    """Both shapes of a block's output: a tensor, as Gemma-2's, and a tuple that begins with it."""
    model = toy_model()
    handle = hook_residual(model, LAYER, lambda x: 2 * x)
    assert torch.equal(states(model)[LAYER + 1], 2 * states_alone(LAYER))
    handle.remove()
    block = torch.nn.Identity()
    block.layers = torch.nn.ModuleList([torch.nn.Identity()])
    hook_residual(block, 0, lambda x: x + 1)  # type: ignore[arg-type]
    found = block.layers[0]((torch.zeros(1), "cache"))
    assert (found[0].tolist(), found[1]) == ([1.0], "cache")


def test_the_blocks_above_do_not_run_and_nothing_keeps_gradients() -> None:
    model, runs = toy_model(), []
    for index, block in enumerate(model.model.layers):
        block.register_forward_pre_hook(lambda *_, index=index: runs.append(index))
    with residual_reader(model, LAYER) as read:
        x_BxTxD = read(IDS)
    assert runs == list(range(LAYER + 1))
    assert not x_BxTxD.requires_grad
    assert torch.equal(states(model)[-1], states(toy_model())[-1])


def test_a_model_without_the_block_is_refused() -> None:
    assert len(blocks_to(toy_model(), 3)) == 4
    with pytest.raises(ProfileError, match="has 4 blocks") as caught:
        blocks_to(toy_model(), 4)
    assert "from 0 to 3" in str(caught.value)
    with pytest.raises(ProfileError, match="does not keep its blocks"):
        blocks_to(torch.nn.Linear(2, 2), 0)  # type: ignore[arg-type]
