"""The miniature's SAE at a block without one in the bundle, trained once on the bundle's text."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.core.documents import read_json
from harness.core.errors import ProfileError
from harness.profiles.sections import ModelSection
from harness.sources.bundle.files import Bundle
from harness.sources.cache import Part, made_once, place

SAMPLES = 400_000
"""Activation vectors seen in training: a fifth of the bundle's own SAE, for the sake of the sweep's time."""
TOKENS = 220_000
MEASURED = 20_000
"""Vectors that training does not see."""


def sae_layer(bundle: Bundle) -> int:
    """The block that the bundle's own SAE reads."""
    return int(str(bundle.manifest["sae"]["hook_name"]).split(".")[1])


def settings(bundle: Bundle, layer: int) -> dict[str, Any]:
    """What determines the SAE of another block, beside the model's files: the bundle's recipe, shortened."""
    return {
        "layer": layer,
        "recipe": {**bundle.manifest["sae"]["recipe"], "samples": SAMPLES},
        "tokens": TOKENS,
        "measured": MEASURED,
        "world": bundle.manifest["seed"],
        "versions": [metadata.version("sae-lens"), metadata.version("torch")],
    }


def bundle_sae(bundle: Bundle, model: ModelSection, layer: int) -> Part:
    """The SAE of a block, trained at the first call and cached by all that determines it.

    Text, shuffling and every other setting than the number of samples are those of the bundle's own SAE.

    Raises:
        ProfileError: the model has no such block.
    """
    blocks = int(read_json(bundle.root / "model" / "config.json", made_by="prepare")["num_hidden_layers"])
    if layer >= blocks:
        raise ProfileError(
            "the model has no such block", value=f"sae.layer = {layer}", remedy=f"choose 0 to {blocks - 1}"
        )
    found = settings(bundle, layer)
    folder = place("saes", {"model": bundle.part("model"), "section": model.model_dump(mode="json"), **found})
    return made_once(folder, lambda out: _train(bundle, model, layer, found, out))


def _train(
    bundle: Bundle, section: ModelSection, layer: int, found: dict[str, Any], out: Path
) -> dict[str, Any]:
    from harness.miniature.activations import corpus_sae
    from harness.miniature.world import make_world
    from harness.models.base_model import load_model, load_tokenizer, pick_device
    from harness.models.sae_training import SaeRecipe

    started, seed = time.monotonic(), int(found["world"])
    folder = bundle.root / "model"
    model, tokenizer = load_model(folder, section, pick_device()), load_tokenizer(folder)
    recipe = SaeRecipe(**found["recipe"])
    _, facts = corpus_sae(
        model, tokenizer, make_world(seed), layer, recipe, out, tokens=TOKENS, measured=MEASURED
    )
    return {**facts, "text_seed": f"{seed}/sae", "made_in_s": round(time.monotonic() - started, 1)}
