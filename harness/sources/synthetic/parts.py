"""The parts of a random variant: made once, kept in the user's cache, read like any other part."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.core.artefact import digest_json
from harness.profiles.profile import Profile
from harness.sources.bundle.files import read_bundle
from harness.sources.bundle.rows import bundle_rows
from harness.sources.cache import Part, cache_home, made_once
from harness.sources.synthetic import lengths, rows, tokenizer, weights
from harness.sources.synthetic.shapes import model_config, sae_width

VERSION = 1
"""Raised when the same shapes must be drawn in another way."""
EVALUATION_ROWS = ("cais", "openai", "truthfulqa")


def random_model(profile: Profile) -> Part:
    """Model and tokenizer of the profile's shapes."""
    from harness.models.base_model import DTYPES

    config = model_config(profile)

    def make(folder: Path) -> dict[str, Any]:
        tokenizer.write_tokenizer(config["vocab_size"], folder)
        made = weights.write_model(config, DTYPES[profile.model.dtype], folder)
        return made | {"random_weights": True}

    return made_once(_place("model", config | {"dtype": profile.model.dtype, "seed": weights.SEED}), make)


def random_sae(profile: Profile) -> Part:
    """An SAE of the profile's shapes."""
    width, config, layer = sae_width(profile), model_config(profile), profile.sae.layer

    def make(folder: Path) -> dict[str, Any]:
        return weights.write_sae(config["hidden_size"], width, layer, folder) | {"random_weights": True}

    shape = {"d_in": config["hidden_size"], "d_sae": width, "layer": layer, "seed": weights.SEED}
    return made_once(_place("sae", shape), make)


def random_rows(profile: Profile) -> Part:
    """Synthetic pairs, and the miniature's evaluation rows, whose words the tokenizer does not know."""
    data, vocabulary = profile.data, int(model_config(profile)["vocab_size"])
    bounds = {"max_length": data.max_length, "max_prompt_length": data.max_prompt_length}
    sizes = {data.train: data.train_pairs, data.test: data.test_pairs}
    bundled = bundle_rows(read_bundle("miniature"))

    def make(folder: Path) -> dict[str, Any]:
        for seed, (name, pairs) in enumerate(sizes.items()):
            rows.write_pairs(folder / name, pairs, vocabulary=vocabulary, seed=seed, **bounds)
        for part in EVALUATION_ROWS:
            shutil.copytree(bundled.folder / part, folder / part)
        return {"lengths": lengths.STATED, "random_weights": True}

    shape = {**bounds, **sizes, "vocabulary": vocabulary, "stated": lengths.STATED}
    return made_once(_place("rows", shape | {"evaluation": digest_json(bundled.files)}), make)


def _place(kind: str, shape: dict[str, Any]) -> Path:
    return cache_home() / "random" / f"{kind}-{digest_json([VERSION, shape])[:16]}"
