"""SAE training: activations are those of the hook, the SAE explains sparse data, the quality numbers are
right.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from harness.core.errors import DataError
from harness.models.sae_training import (
    SaeRecipe,
    collect_activations,
    load_sae,
    measure_sae,
    train_sae,
)


@pytest.fixture
def model() -> Gemma2ForCausalLM:
    """A random Gemma 2 of three blocks."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    return Gemma2ForCausalLM(config).eval()


def test_activations_are_the_hidden_states_after_the_block(model: Gemma2ForCausalLM) -> None:
    ids = torch.randint(1, 32, (4, 6))
    keep = torch.ones(4, 6, dtype=torch.bool)
    keep[:, 0] = False
    keep[2, 4:] = False
    found = collect_activations(model, [(ids, keep), (ids[:1], keep[:1])], 1)
    states = model(input_ids=ids, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(found[:18], states[keep], atol=1e-6, rtol=1e-5)
    assert found.shape == (18 + 5, 16)


def _sparse_data(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(24, 16, generator=generator), dim=1)
    codes = torch.rand(n, 24, generator=generator) * (torch.rand(n, 24, generator=generator) < 0.08)
    return codes @ directions + 0.5


def test_an_sae_learns_sparse_data_and_survives_the_disk(tmp_path: Path) -> None:
    data = _sparse_data(4096)
    recipe = SaeRecipe(d_sae=48, k=3, lr=3e-3, samples=160_000, batch=128)
    _, quality = train_sae(data, data, recipe, tmp_path / "sae", layer=1, model_name="toy")
    assert quality.explained_variance > 0.7
    assert 1 < quality.mean_l0 < 8
    assert quality.tokens == 4096
    again = load_sae(tmp_path / "sae")
    assert again.cfg.architecture() == "jumprelu"
    assert again.cfg.metadata.hook_name == "blocks.1.hook_resid_post"
    assert measure_sae(again, data) == quality


def test_the_same_seed_gives_the_same_sae(tmp_path: Path) -> None:
    data = _sparse_data(1024)
    recipe = SaeRecipe(d_sae=32, k=3, samples=5_000, batch=256, seed=7)
    first, _ = train_sae(data, data, recipe, tmp_path / "a", layer=1, model_name="toy")
    second, _ = train_sae(data, data, recipe, tmp_path / "b", layer=1, model_name="toy")
    assert torch.equal(first.W_dec, second.W_dec)


def test_quality_by_hand(tmp_path: Path) -> None:
    data = _sparse_data(512)
    recipe = SaeRecipe(d_sae=32, k=3, samples=512, batch=256)
    sae, _ = train_sae(data, data, recipe, tmp_path, layer=1, model_name="toy")
    quality = measure_sae(sae, data, batch=100)
    with torch.no_grad():
        features = sae.encode(data)
        error = (sae.decode(features) - data).pow(2).sum() / (data - data.mean(0)).pow(2).sum()
    assert quality.explained_variance == pytest.approx(1 - float(error), abs=1e-5)
    assert quality.mean_l0 == pytest.approx(float((features > 0).float().sum(1).mean()), abs=1e-3)
    assert quality.dead_fraction == pytest.approx(float((features == 0).all(0).float().mean()), abs=1e-5)


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    data = torch.zeros(10, 4)
    with pytest.raises(DataError, match="too few activations"):
        train_sae(data, data, SaeRecipe(d_sae=8, k=2), tmp_path, layer=1, model_name="toy")
