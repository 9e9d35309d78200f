"""The committed bundle: matches its manifest, is a real Gemma 2, and its base model is neither at chance nor
saturated.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Gemma2ForCausalLM

from harness.core.errors import DamagedFileError, MissingInputError
from harness.miniature.features import label_of
from harness.miniature.manifest import BUNDLE, read_manifest, verify
from harness.miniature.tokenizer import SPECIAL_TOKENS
from harness.models.sae_training import load_sae

TWELVE_MB = 12_000_000


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The committed manifest."""
    return read_manifest()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The committed tokenizer."""
    return AutoTokenizer.from_pretrained(BUNDLE / "model")


@pytest.fixture(scope="module")
def features() -> list[dict[str, Any]]:
    """The committed feature rows."""
    return [json.loads(line) for line in (BUNDLE / "features.jsonl").read_text().splitlines()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))


def test_the_bundle_matches_its_manifest() -> None:
    manifest = verify()
    assert manifest["build_command"] == "nox -s build-miniature"
    assert sum(entry["bytes"] for entry in manifest["files"].values()) < TWELVE_MB


def test_a_truncated_weight_file_is_named(copy: Path) -> None:
    weights = copy / "model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match=r"model\.safetensors"):
        verify(copy)


def test_a_changed_byte_is_named(copy: Path) -> None:
    rows = copy / "features.jsonl"
    body = bytearray(rows.read_bytes())
    body[10] ^= 1
    rows.write_bytes(bytes(body))
    with pytest.raises(DamagedFileError, match=r"features\.jsonl"):
        verify(copy)


def test_missing_and_unknown_files_are_named(copy: Path) -> None:
    (copy / "stray.txt").write_text("x")
    with pytest.raises(DamagedFileError, match=r"stray\.txt"):
        verify(copy)
    (copy / "stray.txt").unlink()
    (copy / "features.jsonl").unlink()
    with pytest.raises(MissingInputError, match=r"features\.jsonl"):
        verify(copy)


@pytest.mark.parametrize("body", ["", "[]", '{"schema": "other"}'])
def test_a_damaged_manifest_is_refused(copy: Path, body: str) -> None:
    (copy / "manifest.json").write_text(body)
    with pytest.raises(DamagedFileError, match="manifest"):
        verify(copy)


def test_the_model_is_a_real_gemma_2() -> None:
    config = AutoConfig.from_pretrained(BUNDLE / "model")
    assert isinstance(config, Gemma2Config)
    assert config.architectures == ["Gemma2ForCausalLM"]
    assert (config.attn_logit_softcapping, config.final_logit_softcapping) == (50.0, 30.0)
    assert config.sliding_window == 128
    assert set(config.layer_types) == {"sliding_attention", "full_attention"}
    assert config.tie_word_embeddings
    assert config.num_key_value_heads < config.num_attention_heads


def test_the_model_loads_and_ties_its_embeddings(manifest: dict[str, Any]) -> None:
    model = AutoModelForCausalLM.from_pretrained(BUNDLE / "model", dtype=torch.float32)
    assert isinstance(model, Gemma2ForCausalLM)
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    parameters = sum(p.numel() for p in model.parameters())
    assert 2_000_000 <= parameters <= 4_000_000
    assert manifest["parameters"]["model"] == parameters
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_generation_ends_at_the_end_of_a_turn(tokenizer: Any) -> None:
    generation = json.loads((BUNDLE / "model/generation_config.json").read_text())
    assert set(generation["eos_token_id"]) == set(tokenizer.convert_tokens_to_ids(["<eos>", "<end_of_turn>"]))


def test_special_tokens_and_one_bos(tokenizer: Any) -> None:
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(len(SPECIAL_TOKENS)))
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<pad>", "<eos>", "<bos>")
    assert tokenizer("Hello").input_ids.count(tokenizer.bos_token_id) == 1
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert tokenizer(chat, add_special_tokens=False).input_ids.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("text", ["12+3=15", "ünïcode – 漢字 🙂", "\n\n## A\n- b\n", "tab\tand  two spaces"])
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text


def test_digits_are_single_tokens(tokenizer: Any) -> None:
    tokens = [tokenizer.decode([i]) for i in tokenizer("<<12+34=46>>", add_special_tokens=False).input_ids]
    assert [t for t in tokens if t.isdigit()] == list("123446")


def test_the_template_gives_simpos_texts(tokenizer: Any, golden_dir: Path) -> None:
    cases = json.loads((golden_dir / "simpo_template.json").read_text())
    assert cases
    for case in cases:
        prompt = tokenizer.apply_chat_template(case["input"]["chosen"][:-1], tokenize=False)
        assert prompt == case["text_prompt"]
        for side in ("chosen", "rejected"):
            answer = tokenizer.apply_chat_template(case["input"][side][-1:], tokenize=False)
            assert answer.removeprefix("<bos>") == case[f"text_{side}"]


def test_the_template_by_hand(tokenizer: Any) -> None:
    turns = [
        {"role": "system", "content": " Be kind. "},
        {"role": "user", "content": "Hi "},
        {"role": "assistant", "content": " Hello"},
        {"role": "user", "content": "Bye"},
    ]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<bos><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    )
    with pytest.raises(Exception, match="Unknown role"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_the_base_model_is_neither_at_chance_nor_saturated(manifest: dict[str, Any]) -> None:
    scores = manifest["base_scores"]
    assert (scores["mmlu"]["n"], scores["truthfulqa_mc2"]["n"], scores["gsm8k_strict"]["n"]) == (
        1600,
        800,
        800,
    )
    assert 0.25 + 3 * scores["mmlu"]["stderr"] <= scores["mmlu"]["score"] < 0.9
    assert 0.3 <= scores["truthfulqa_mc2"]["score"] <= 0.7
    assert 0.2 <= scores["gsm8k_strict"]["score"] < 0.9


def test_the_sae_loads_and_fits_the_model(manifest: dict[str, Any]) -> None:
    sae = load_sae(BUNDLE / "sae")
    config = AutoConfig.from_pretrained(BUNDLE / "model")
    assert sae.cfg.d_in == config.hidden_size
    assert sae.cfg.architecture() == manifest["sae"]["architecture"]
    assert sae.cfg.metadata.hook_name == manifest["sae"]["hook_name"]
    assert manifest["sae"]["explained_variance"] >= 0.7
    assert 0 < manifest["sae"]["mean_l0"] < 64


def test_every_feature_is_labelled_by_the_rule(features: list[dict[str, Any]]) -> None:
    sae = load_sae(BUNDLE / "sae")
    assert [row["feature"] for row in features] == list(range(sae.cfg.d_sae))
    for row in features:
        assert row["label"] == label_of(row["mass_share"], row["base_share"], row["active_tokens"])
        assert row["description"]


def test_all_labels_occur(features: list[dict[str, Any]]) -> None:
    counts = {
        label: sum(row["label"] == label for row in features) for label in ("style", "alignment", "other")
    }
    assert sum(counts.values()) == len(features)
    assert all(count >= 5 for count in counts.values()), counts


def test_the_label_rule_by_hand() -> None:
    base = {"style": 0.1, "truth": 0.3, "content": 0.6}
    assert label_of({"style": 0.6, "truth": 0.1, "content": 0.3}, base, 100) == "style"
    assert label_of({"style": 0.1, "truth": 0.7, "content": 0.2}, base, 100) == "alignment"
    assert label_of({"style": 0.1, "truth": 0.55, "content": 0.35}, base, 100) == "other"
    assert label_of({"style": 0.6, "truth": 0.1, "content": 0.3}, base, 19) == "other"
