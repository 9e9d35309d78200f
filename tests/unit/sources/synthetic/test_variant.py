"""Random weights, synthetic tokens: exact shapes, drawn lengths, and no confusion with real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sources_toys import built_profiles
from transformers import AutoModelForCausalLM

from harness.core.errors import ProfileError
from harness.core.paths import ROOT, RunPaths
from harness.models.base_model import load_tokenizer
from harness.profiles.profile import Profile, load_profile
from harness.sources.assemble import assemble
from harness.sources.synthetic.rows import write_pairs
from harness.sources.synthetic.shapes import model_config
from harness.sources.synthetic.tokenizer import write_tokenizer
from harness.sources.synthetic.variant import random_variant
from harness.stages.prepare import check_sources
from harness.stages.stage import command
from harness.training.pairs import collate, read_pairs, tokenise_pairs


@pytest.fixture
def divided() -> Profile:
    return random_variant(load_profile("gemma-2-2b"), shrink=16, pairs=4)


@pytest.mark.parametrize("name", built_profiles())
def test_every_profile_has_a_random_variant_that_prepare_accepts(name: str) -> None:
    variant = random_variant(load_profile(name))
    check_sources(variant)
    assert variant.name == f"{name}-random"
    assert variant.title.startswith("RANDOM WEIGHTS")
    assert variant.data.train_pairs > 0


def test_undivided_the_variant_has_the_papers_shapes() -> None:
    variant, real = random_variant(load_profile("gemma-2-2b")), load_profile("gemma-2-2b")
    assert model_config(variant) == model_config(real)
    assert (variant.sae.layer, variant.data.max_length) == (12, 2048)
    assert variant.training.pairs_per_device * variant.training.accumulation == 32


def test_real_profiles_keep_their_digests() -> None:
    """The key `divide` is left out of a resolved profile unless it divides."""
    assert "divide" not in load_profile("gemma-2-2b").resolved()["model"]
    committed = ROOT / "results" / "miniature-smoke" / "cpu-x86_64-2c" / "table1.json"
    digest = json.loads(committed.read_text(encoding="utf-8"))["profile_digest"]
    assert load_profile("miniature-smoke").digest() == digest


def test_a_variant_of_a_variant_is_refused(divided: Profile) -> None:
    with pytest.raises(ProfileError, match="no random variant"):
        random_variant(divided)


def test_prepare_makes_the_divided_shapes(
    divided: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = assemble(divided, RunPaths(root=tmp_path / "run"))
    model = AutoModelForCausalLM.from_pretrained(made.model_dir)
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (144, 2)
    assert str(model.dtype) == "torch.bfloat16"
    assert made.facts["sae"]["parameters"] == 2 * 144 * 4096 + 2 * 4096 + 144
    assert made.facts["model"]["random_weights"] is True
    pairs = read_pairs(Path(made.data_root) / divided.data.train, 4)
    tokens, cut = tokenise_pairs(pairs, load_tokenizer(Path(made.model_dir)), 128, 112)
    assert (cut.truncated_prompts, cut.truncated_responses) == (0, 0)
    assert collate(tokens, 0).input_ids_BxT.shape[1] <= 128


def test_pairs_are_tokenised_to_the_drawn_lengths(tmp_path: Path) -> None:
    write_tokenizer(300, tmp_path)
    bounds = {"max_length": 256, "max_prompt_length": 200}
    drawn = write_pairs(tmp_path / "pairs.jsonl", 20, vocabulary=300, seed=0, **bounds)
    tokens, _ = tokenise_pairs(
        read_pairs(tmp_path / "pairs.jsonl", 20), load_tokenizer(tmp_path), *bounds.values()
    )
    assert [tuple(map(len, row)) for row in tokens] == [tuple(one) for one in drawn]
    assert len({token for row in tokens for token in row.chosen}) > 50


def test_the_remedy_names_the_real_command(divided: Profile) -> None:
    assert command("prepare", divided).endswith("prepare --profile gemma-2-2b --random-weights --shrink 16")
