"""The forms of a policy against numbers that were made without this code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fsrl.adapter import Adapter
from fsrl.analysis.affine_fit import Moments
from fsrl.analysis.policy_tokens import change
from fsrl.sae import Sae


@pytest.fixture
def golden(golden_dir: Path) -> tuple[dict[str, Tensor], Sae]:
    folder = golden_dir / "methods"
    if not folder.is_dir():
        pytest.skip("needs the golden numbers of the methods")
    sae = Sae(load_file(folder / "sae.safetensors"), apply_b_dec_to_input=True)
    return load_file(folder / "lorality.safetensors"), sae


def adapter_of(tensors: dict[str, Tensor]) -> Adapter:
    adapter = Adapter(16, 64, dtype=torch.float64)
    adapter.load_state_dict({"weight": tensors["weight"], "bias": tensors["bias"]})
    return adapter.requires_grad_(False)


def test_the_delta_and_the_exact_affine_map_of_a_position(golden: tuple[dict[str, Tensor], Sae]) -> None:
    tensors, sae = golden
    v = change(adapter_of(tensors), sae, tensors["x"], fusion_relu=False)
    torch.testing.assert_close(v @ sae.W_dec, tensors["delta"], atol=1e-9, rtol=0)
    on = (v[5] > 0).double()
    exact = (tensors["weight"].T * on) @ sae.W_dec
    torch.testing.assert_close(exact, tensors["token_5_M"], atol=1e-9, rtol=0)
    torch.testing.assert_close((on * tensors["bias"]) @ sae.W_dec, tensors["token_5_c"], atol=1e-9, rtol=0)
    rebuilt = sae.encoder_input(tensors["x"][5]) @ exact + tensors["token_5_c"]
    torch.testing.assert_close(rebuilt, tensors["delta"][5], atol=1e-9, rtol=0)


def test_shares(golden: tuple[dict[str, Tensor], Sae]) -> None:
    tensors, sae = golden
    x, delta = sae.encoder_input(tensors["x"]), tensors["delta"]
    v = change(adapter_of(tensors), sae, tensors["x"], fusion_relu=False)
    moments = Moments(16, torch.device("cpu"))
    moments.add(x[:20], delta[:20])
    moments.add(x[20:48], delta[20:48])
    fit = moments.fit()
    amplitude = v[:48].sum(0) / (v[:48] > 0).sum(0).clamp(min=1)
    torch.testing.assert_close(amplitude, tensors["gating_amplitude"], atol=1e-9, rtol=0)
    for part, rows in (("fitted", slice(0, 48)), ("held_out", slice(48, None))):
        total = delta[rows].square().sum()
        shares = 1 - fit.errors(x[rows], delta[rows]) / total
        torch.testing.assert_close(shares, tensors[f"share_affine_{part}"], atol=1e-9, rtol=0)
        torch.testing.assert_close(shares[:1], tensors[f"share_constant_{part}"], atol=1e-9, rtol=0)
        for rank in (0, 1, 5, 16):
            slope, shift = fit.map(rank)
            left = (delta[rows] - x[rows] @ slope - shift).square().sum()
            assert float(1 - left / total) == pytest.approx(float(shares[rank]), abs=1e-9)
        gated = ((v[rows] > 0) * amplitude) @ sae.W_dec
        share = 1 - (delta[rows] - gated).square().sum() / total
        torch.testing.assert_close(share[None], tensors[f"share_gating_{part}"], atol=1e-9, rtol=0)
