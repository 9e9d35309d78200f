"""Linear layers of a model's blocks by their names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel

from harness.core.errors import ProfileError
from harness.models.residual import blocks_to

USUAL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Those of attention and MLP in Llama, Gemma and Qwen."""
REMEDY = "name linear layers that each block of the model has, unquantised, and a block that it has"


def linear_layers(model: PreTrainedModel, targets: Sequence[str], first: int) -> dict[str, nn.Linear]:
    """Each target in each block from `first` on, by its full name.

    Args:
        targets: the last part of the layers' names, such as `q_proj`.

    Raises:
        ProfileError: there is no block `first`, or a block has no plain linear layer of a name.
    """
    last = model.config.get_text_config().num_hidden_layers - 1
    if first > last:
        raise ProfileError(f"the model has blocks 0 to {last}", value=f"first_layer = {first}", remedy=REMEDY)
    names = {id(module): name for name, module in model.named_modules()}
    found: dict[str, nn.Linear] = {}
    for number, block in list(enumerate(blocks_to(model, last)))[first:]:
        inside = {name.rpartition(".")[2]: module for name, module in block.named_modules()}
        for target in targets:
            module = inside.get(target)
            if not isinstance(module, nn.Linear) or type(module) is not nn.Linear:  # no quantised one
                raise ProfileError(
                    f"block {number} has no plain linear layer of this name", value=target, remedy=REMEDY
                )
            found[names[id(module)]] = module
    return found
