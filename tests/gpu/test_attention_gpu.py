"""flex_attention against eager on a GPU, at the shape of Gemma-2-2B's heads: values and gradients."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of the compiler
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU; this torch sees none"),
]
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "query_pre_attn_scalar": 256}


def gemma(attention: str) -> Gemma2ForCausalLM:
    """Two blocks, one of them sliding over a window shorter than the rows; soft-caps that bite."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=1000,
        hidden_size=2304,
        intermediate_size=2304,
        num_hidden_layers=2,
        sliding_window=128,
        attn_logit_softcapping=50.0,
        initializer_range=0.05,
        attn_implementation=attention,
        pad_token_id=0,
        **HEADS,
    )
    return Gemma2ForCausalLM(config).eval().cuda()


def test_values_and_gradients_are_eagers() -> None:
    ids_BxT = torch.randint(1, 1000, (2, 512), generator=torch.Generator().manual_seed(1)).cuda()
    mask_BxT = torch.ones_like(ids_BxT)
    mask_BxT[1, 400:] = 0
    counted = mask_BxT.bool()
    found = []
    for attention in ("eager", "flex_attention"):
        model = gemma(attention)
        logits = model(ids_BxT, attention_mask=mask_BxT).logits[counted]
        logits.logsumexp(-1).sum().backward()
        found.append((logits.detach(), {name: p.grad for name, p in model.named_parameters()}))
    (eager, eager_grads), (flex, flex_grads) = found
    torch.testing.assert_close(flex, eager, atol=1e-3, rtol=1e-3)
    for name, grad in eager_grads.items():
        assert (flex_grads[name] - grad).norm() <= 1e-3 * grad.norm(), name
