"""TransformerLens and sae-lens see what our hook and our SAE see, on a tiny Gemma-2 with random weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fsrl_toys import D_IN, D_SAE, LAYER, toy_adapter, toy_model, toy_sae, toy_tensors, toy_x, write_sae
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from fsrl.sae import Sae
from fsrl.steer import Steering
from harness.models.residual import hook_name, residual_reader

IDS = torch.tensor([[2, 7, 13, 21, 34, 8, 40, 11, 5]])
HOOK = hook_name(LAYER)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Only there because a bridge wants one: the tests give token ids. With a BOS it would be reloaded."""
    words = ["<pad>", "<eos>", "<unk>", *(f"w{i}" for i in range(47))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


@pytest.fixture(scope="module")
def lenses() -> Iterator[Any]:
    """transformer_lens and sae_lens, whose imports warn about what they depend on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sae_lens
        import transformer_lens.model_bridge as bridges

        yield bridges.TransformerBridge, sae_lens


def bridge_of(lenses: Any, model: Any) -> Any:
    """A bridge around a model that is already loaded; it wraps the blocks in place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lenses[0].boot_transformers(
            "google/gemma-2-2b-it", hf_model=model, tokenizer=tiny_tokenizer(), device="cpu"
        )


def cached(bridge: Any, *names: str) -> dict[str, Tensor]:
    """Activations at the bridge's hook points."""
    seen: dict[str, Tensor] = {}

    def grab(name: str, tensor: Tensor, hook: Any) -> None:
        seen[name] = tensor.detach().clone()

    with torch.no_grad():
        bridge.run_with_hooks(IDS, fwd_hooks=[(name, partial(grab, name)) for name in names])
    return seen


def test_the_name_is_transformer_lens_own(lenses: Any) -> None:
    from transformer_lens.utilities import get_act_name

    assert [hook_name(layer) for layer in (0, 12)] == [get_act_name("resid_post", n) for n in (0, 12)]


def test_our_hook_reads_what_the_lens_calls_resid_post(lenses: Any) -> None:
    """Equal to 1e-5, since the bridge has its own attention; the neighbouring hook points are far off."""
    model, ours = toy_model(), []
    steering = Steering(toy_adapter(), toy_sae())
    steering.attach(model, LAYER)
    steering.register_forward_pre_hook(lambda _, args: ours.append(args[0].detach().clone()))
    with torch.no_grad():
        model(IDS)
    with residual_reader(model, LAYER) as read:
        ours.append(read(IDS))
    neighbours = [hook_name(layer) for layer in (LAYER - 1, LAYER + 1)]
    theirs = cached(bridge_of(lenses, toy_model()), HOOK, *neighbours)
    assert torch.equal(ours[0], ours[1])
    torch.testing.assert_close(ours[0], theirs[HOOK], atol=1e-5, rtol=1e-5)
    for name in neighbours:
        assert (ours[0] - theirs[name]).abs().max() > 0.1


def test_steering_in_the_lens_gives_the_logits_of_our_hook(lenses: Any) -> None:
    """x + v W_dec written at the bridge's hook point, against the Hugging Face model with our hook."""
    model, steering = toy_model(), Steering(toy_adapter(), toy_sae())
    steering.attach(model, LAYER)
    bridge = bridge_of(lenses, toy_model())
    apart = Steering(toy_adapter(), toy_sae())
    with torch.no_grad():
        ours = model(IDS).logits
        theirs = bridge.run_with_hooks(IDS, fwd_hooks=[(HOOK, lambda tensor, hook: apart(tensor))])
        unsteered = bridge(IDS)
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)
    assert (unsteered - ours).abs().max() > 0.1


@pytest.mark.parametrize("architecture", ["jumprelu", "standard"])
@pytest.mark.parametrize("apply_b_dec", [True, False])
def test_sae_lens_reads_the_same_sae(
    lenses: Any, tmp_path: Path, architecture: str, apply_b_dec: bool
) -> None:
    tensors = toy_tensors()
    if architecture == "standard":
        del tensors["threshold"]
    folder = write_sae(tmp_path, tensors, architecture=architecture, apply_b_dec_to_input=apply_b_dec)
    ours, theirs = Sae.from_folder(folder), lenses[1].SAE.load_from_disk(folder)
    x = toy_x(3, 5, D_IN)
    f = theirs.encode(x)
    assert 0 < (f > 0).float().mean() < 1
    torch.testing.assert_close(ours.encode(x), f)
    torch.testing.assert_close(ours.decode(f), theirs.decode(f))


def test_what_sae_lens_saves_is_read(lenses: Any, tmp_path: Path) -> None:
    sae_lens = lenses[1]
    config = sae_lens.JumpReLUSAEConfig(
        d_in=D_IN, d_sae=D_SAE, metadata=sae_lens.saes.sae.SAEMetadata(hook_name=HOOK)
    )
    theirs = sae_lens.JumpReLUSAE(config)
    with torch.no_grad():
        for name, tensor in toy_tensors().items():
            getattr(theirs, name).copy_(tensor)
    theirs.save_model(tmp_path)
    ours = Sae.from_folder(tmp_path)
    ours.check_fits(hidden_size=D_IN, layer=LAYER)
    x = toy_x(3, 5, D_IN)
    torch.testing.assert_close(ours.encode(x), theirs.encode(x))
    assert ours.apply_b_dec_to_input is theirs.cfg.apply_b_dec_to_input


def test_equation_6_with_sae_lens_own_encoder_and_decoder(lenses: Any, tmp_path: Path) -> None:
    folder = write_sae(tmp_path)
    sae, adapter, x = lenses[1].SAE.load_from_disk(folder), toy_adapter(), toy_x(2, 5, D_IN)
    with torch.no_grad():
        f = sae.encode(x)
        v = adapter(x - sae.b_dec)
        wanted = sae.decode(f + v) + (x - sae.decode(f))
        got = Steering(adapter, Sae.from_folder(folder, encoder=False), chunk_features=7)(x)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
