"""Random weights of the exact shapes: a causal language model and an SAE, as files like real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from harness.miniature.tokenizer import BOS, END, EOS, PAD
from harness.models.residual import hook_name
from harness.sources.synthetic.tokenizer import token_id

SEED = 20250912


def write_model(config: dict[str, Any], dtype: torch.dtype, folder: Path) -> dict[str, Any]:
    """A model with transformers' own initialisation, seeded; ids of special tokens are the synthetic ones.

    Args:
        config: as in `config.json`.

    Returns:
        Facts: seed and number of parameters.
    """
    ends = {"pad_token_id": token_id(PAD), "eos_token_id": token_id(EOS), "bos_token_id": token_id(BOS)}
    made = AutoConfig.for_model(**config | ends)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = AutoModelForCausalLM.from_config(made, dtype=dtype)
    stops = {"eos_token_id": [token_id(EOS), token_id(END)]}
    model.generation_config = GenerationConfig(**ends | stops)
    model.save_pretrained(folder)
    return {"seed": SEED, "parameters": sum(tensor.numel() for tensor in model.parameters())}


def write_sae(d_model: int, d_sae: int, layer: int, folder: Path) -> dict[str, Any]:
    """A JumpReLU SAE in sae-lens' files, float32: decoder rows of length 1, the encoder its transpose."""
    draw = torch.Generator().manual_seed(SEED + 1)
    decoder = torch.nn.functional.normalize(torch.randn(d_sae, d_model, generator=draw), dim=-1)
    tensors = {
        "W_dec": decoder,
        "W_enc": decoder.T.contiguous(),
        "b_enc": torch.zeros(d_sae),
        "b_dec": torch.zeros(d_model),
        "threshold": torch.full((d_sae,), 1.0),
    }
    settings = {
        "architecture": "jumprelu",
        "d_in": d_model,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": hook_name(layer), "random_weights": True},
    }
    save_file(tensors, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return {"seed": SEED + 1, "parameters": sum(tensor.numel() for tensor in tensors.values())}
