"""The miniature's SAE of another block: the general training on the world's text, the same to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch

from harness.core.artefact import digest_tree
from harness.miniature.activations import corpus_activations, corpus_sae
from harness.miniature.manifest import BUNDLE
from harness.miniature.world import make_world
from harness.models.base_model import load_model, load_tokenizer
from harness.models.sae_training import SaeRecipe, train_sae
from harness.profiles.profile import Profile


def test_it_is_the_general_training_on_shuffled_rows(profile: Profile, tmp_path: Path) -> None:
    world, model = make_world(2509), load_model(BUNDLE / "model", profile.model, torch.device("cpu"))
    tokenizer, recipe = load_tokenizer(BUNDLE / "model"), SaeRecipe(d_sae=32, k=4, samples=2048, batch=256)
    _, facts = corpus_sae(model, tokenizer, world, 1, recipe, tmp_path / "a", tokens=1000, measured=500)
    rows_NxD = corpus_activations(model, tokenizer, world, 1, 1000)
    order_N = torch.randperm(len(rows_NxD), generator=torch.Generator().manual_seed(world.seed))
    held_out_MxD, train_KxD = rows_NxD[order_N[:500]], rows_NxD[order_N[500:]]
    _, quality = train_sae(train_KxD, held_out_MxD, recipe, tmp_path / "b", layer=1, model_name="miniature")
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")
    assert facts == {
        "hook_name": "blocks.1.hook_resid_post",
        "recipe": asdict(recipe),
        "trained_on_tokens": len(train_KxD),
        **asdict(quality),
    }
    settings = json.loads((tmp_path / "a" / "cfg.json").read_text())
    assert list(settings) == sorted(settings)
