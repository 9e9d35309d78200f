"""The residual stream after a block: its name, the hook that gets at it, and a reader that stops there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from harness.core.errors import ProfileError

Read = Callable[..., Tensor]


def hook_name(layer: int) -> str:
    """TransformerLens' name of the residual stream after block `layer`."""
    return f"blocks.{layer}.hook_resid_post"


def blocks_to(model: PreTrainedModel, layer: int) -> nn.ModuleList:
    """The decoder's blocks from the first to `layer`.

    Raises:
        ProfileError: the model has no list of blocks, or not so many.
    """
    decoder = model.get_decoder() if isinstance(model, PreTrainedModel) else model
    blocks = getattr(decoder, "layers", None)
    if not isinstance(blocks, nn.ModuleList):
        raise ProfileError(
            "the model does not keep its blocks in `layers`",
            value=type(model).__name__,
            remedy="use a decoder-only model with its blocks in `layers`, such as Llama, Gemma or Qwen",
        )
    if layer >= len(blocks):
        raise ProfileError(
            f"the model has {len(blocks)} blocks",
            value=f"sae.layer = {layer}",
            remedy=f"choose one from 0 to {len(blocks) - 1}",
        )
    return blocks[: layer + 1]


def hook_residual(model: PreTrainedModel, layer: int, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Call `change` with the residual stream (B, T, d_model) after block `layer`; its result goes on instead.

    A new hook comes before those that are there. So a reader that is opened on a steered model gets the
    stream before steering, and transformers, which records hidden states by hooks of its own, records what
    the next block reads.

    Raises:
        ProfileError: the model has no such block.
    """

    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return change(output[0]), *output[1:]
        return change(output)

    return blocks_to(model, layer)[-1].register_forward_hook(hook, prepend=True)


def added(x: Tensor, delta: Tensor) -> Tensor:
    """x + delta in x's dtype, to which delta is rounded once; where delta is 0 the result is x to the bit."""
    # A sum of zeros is +0.0, and only subtracting +0.0 leaves both +0.0 and -0.0 as they are.
    return x - (0.0 - delta).to(x.dtype).reshape(x.shape)


def edit_residual(model: PreTrainedModel, layer: int, edit: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Add to the residual stream after block `layer`, at every position, what `edit` makes of it.

    An edit may look at its own position only: evaluation packs several questions into one row.

    Args:
        edit: from x in float32, (..., d_model), to what is added, float32, of the same shape or one that
            broadcasts to it.

    Raises:
        ProfileError: the model has no such block.
    """

    def change(x: Tensor) -> Tensor:
        return added(x, edit(x.float()).expand(x.shape))

    return hook_residual(model, layer, change)


class _Reached(Exception):
    """Carries the residual stream out of the model."""

    def __init__(self, x_BxTxD: Tensor) -> None:
        super().__init__()
        self.x_BxTxD = x_BxTxD


@contextmanager
def residual_reader(model: PreTrainedModel, layer: int) -> Iterator[Read]:
    """A function from the decoder's arguments to the residual stream after block `layer`.

    It gives (B, T, d_model) in the model's dtype, before any steering and without gradients. The blocks
    above do not run. No other forward pass is possible while the context lasts.

    Raises:
        ProfileError: the model has no such block.
    """

    def stop(x_BxTxD: Tensor) -> Tensor:
        raise _Reached(x_BxTxD)

    @torch.no_grad()
    def read(input_ids: Tensor, **inputs: Any) -> Tensor:
        placed = {
            name: value.to(model.device) if isinstance(value, Tensor) else value
            for name, value in inputs.items()
        }
        try:
            model.get_decoder()(input_ids=input_ids.to(model.device), use_cache=False, **placed)
        except _Reached as reached:
            return reached.x_BxTxD
        raise AssertionError("the forward pass did not come to its own block")

    handle = hook_residual(model, layer, stop)
    try:
        yield read
    finally:
        handle.remove()
