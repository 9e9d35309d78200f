"""Small SAEs, adapters and models for the tests of fsrl/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import Gemma2Config, Gemma2ForCausalLM

from fsrl.adapter import Adapter
from fsrl.arm import Arm
from fsrl.config import Config
from fsrl.sae import Sae
from fsrl.steer import Steering
from harness.arm import Scene
from harness.profiles.sections import SaeSection

D_IN, D_SAE, LAYER = 16, 40, 1
MINIMAL: dict[str, Any] = {"learning_rate": 1e-3, "penalty_coefficient": 0.02}
JUMP = {"activation": "jump_relu", "jump_relu": {"threshold": 0.1, "threshold_learning_rate": 1.0}}


def toy_tensors(d_in: int = D_IN, d_sae: int = D_SAE, *, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {
        "W_enc": torch.randn(d_in, d_sae, generator=draw) / d_in**0.5,
        "b_enc": torch.randn(d_sae, generator=draw) / 10,
        "W_dec": torch.randn(d_sae, d_in, generator=draw) / d_in**0.5,
        "b_dec": torch.randn(d_in, generator=draw) / 10,
        "threshold": torch.rand(d_sae, generator=draw) / 4,
    }


def toy_sae(d_in: int = D_IN, d_sae: int = D_SAE, *, seed: int = 0, apply_b_dec: bool = True) -> Sae:
    return Sae(toy_tensors(d_in, d_sae, seed=seed), apply_b_dec_to_input=apply_b_dec)


def toy_adapter(d_in: int = D_IN, d_sae: int = D_SAE, *, seed: int = 1, **options: Any) -> Adapter:
    """An adapter as after some training: weights and biases of a size that steers."""
    if options.get("activation") == "jump_relu":
        options = {"threshold": 0.1, "bandwidth": 0.3, **options}
    adapter = Adapter(d_in, d_sae, seed=seed, **options)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        adapter.weight.copy_(torch.randn(d_sae, d_in, generator=draw) / d_in**0.5)
        adapter.bias.copy_(torch.randn(d_sae, generator=draw) / 10)
        if adapter.activation == "soft_threshold":
            adapter.soft_threshold.copy_(torch.rand(d_sae, generator=draw) / 4)
    return adapter


def toy_x(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def toy_model(*, seed: int = 3, dtype: torch.dtype = torch.float32) -> Gemma2ForCausalLM:
    """A Gemma-2 of 4 blocks with random weights, soft-caps and a window shorter than the tests' prompts."""
    torch.manual_seed(seed)
    config = Gemma2Config(
        vocab_size=50,
        hidden_size=D_IN,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=6,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
        initializer_range=0.2,
        attn_implementation="eager",
    )
    return Gemma2ForCausalLM(config).to(dtype).eval()


def write_sae(folder: Path, tensors: dict[str, torch.Tensor] | None = None, **settings: Any) -> Path:
    """An SAE in sae-lens' files; `settings` take the place of, or add to, those of cfg.json."""
    tensors = toy_tensors() if tensors is None else tensors
    config = {
        "architecture": "jumprelu",
        "d_in": D_IN,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": f"blocks.{LAYER}.hook_resid_post"},
        **settings,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def toy_scene(sae_dir: Path, **changes: Any) -> Scene:
    scene = Scene(
        sae_dir=sae_dir,
        sae=SaeSection(source="bundle", layer=LAYER),
        model_digest="m" * 64,
        sae_digest="s" * 64,
        seed=7,
    )
    return scene._replace(**changes)


def toy_arm(scene: Scene, **options: Any) -> tuple[Any, Arm, Steering]:
    """A model with the arm prepared and the adapter moved away from its start."""
    model, arm = toy_model(), Arm(Config.model_validate({**MINIMAL, **options}), scene)
    arm.prepare(model)
    steering = model.get_submodule("fsrl")
    assert isinstance(steering, Steering)
    draw = torch.Generator().manual_seed(11)
    with torch.no_grad():
        steering.adapter.weight.copy_(torch.randn(D_SAE, D_IN, generator=draw) / 4)
    return model, arm, steering


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view({2: torch.int16, 4: torch.int32}[tensor.element_size()])


def steered(layer: int = LAYER, **options: Any) -> tuple[Any, Steering]:
    model = toy_model()
    steering = Steering(toy_adapter(**options), toy_sae())
    steering.attach(model, layer)
    return model, steering
