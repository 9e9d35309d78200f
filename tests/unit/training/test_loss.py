"""SimPO's loss by hand, and the lean log-probabilities against the model's own logits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import training_toys as toys
from transformers import LlamaConfig, LlamaForCausalLM

from harness.training.loss import response_logprobs, simpo_losses
from harness.training.pairs import PairBatch, PairTokens, collate

ROWS = [PairTokens([2, 9, 10, 11], [12, 13, 14], [15, 16]), PairTokens([2, 20], [21], [22, 23, 24, 25, 26])]


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        attn_implementation="eager",
    )
    return LlamaForCausalLM(config).eval()


def plain(model: Any, batch: PairBatch) -> torch.Tensor:
    logits = model(
        input_ids=batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT, use_cache=False
    ).logits
    return toys.mean_response_logprobs(logits, batch)


def test_loss_by_hand() -> None:
    # beta 10, gamma 5: margins 10 * 0.5 - 5 = 0, 10 * 1 - 5 = 5, 10 * 0 - 5 = -5
    chosen, rejected = torch.tensor([-1.0, -1.0, -2.0]), torch.tensor([-1.5, -2.0, -2.0])
    losses = simpo_losses(chosen, rejected, beta=10.0, gamma=5.0)
    wanted = [math.log(2), math.log1p(math.exp(-5)), 5 + math.log1p(math.exp(-5))]
    assert losses.tolist() == pytest.approx(wanted, abs=1e-6)


def test_uniform_logits_give_minus_log_of_the_vocabulary() -> None:
    batch = collate(ROWS, 0)
    logits = torch.zeros(*batch.input_ids_BxT.shape, 60)
    assert toys.mean_response_logprobs(logits, batch).tolist() == pytest.approx([-math.log(60)] * 4, abs=1e-6)


@pytest.mark.parametrize("build", [toys.model, llama])
def test_lean_equals_plain_in_values_and_gradients(build: Any) -> None:
    batch = collate(ROWS, 0)
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0])
    results = []
    for compute in (plain, lambda model, batch: response_logprobs(model, batch, chunk=3)):
        model = build()
        values = compute(model, batch)
        (values * weights).sum().backward()
        results.append((values.detach(), {name: p.grad for name, p in model.named_parameters()}))
    (values_a, gradients_a), (values_b, gradients_b) = results
    torch.testing.assert_close(values_a, values_b, atol=1e-5, rtol=0)
    assert gradients_a.keys() == gradients_b.keys()
    for name, gradient in gradients_a.items():
        torch.testing.assert_close(gradient, gradients_b[name], atol=1e-5, rtol=1e-4, msg=name)


def test_the_soft_cap_of_the_logits_counts() -> None:
    batch = collate(ROWS, 0)
    capped, free = toys.model(final_logit_softcapping=0.5), toys.model(final_logit_softcapping=None)
    with torch.no_grad():
        a, b = response_logprobs(capped, batch), response_logprobs(free, batch)
        torch.testing.assert_close(a, plain(capped, batch), atol=1e-5, rtol=0)
    assert (a - b).abs().max() > 0.1


def test_padding_does_not_change_a_row() -> None:
    model = toys.model()
    with torch.no_grad():
        together = response_logprobs(model, collate(ROWS, 0))
        alone = [response_logprobs(model, collate([row], 0)) for row in ROWS]
    torch.testing.assert_close(together[[0, 2]], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together[[1, 3]], alone[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [toys.model, llama])
def test_padding_has_the_authors_places_and_changes_no_bit_of_a_row(build: Any) -> None:
    """cumsum(mask) - 1: padding stays at the last token's place, where a penalty that counts it sees it."""
    model, batch = build(), collate(ROWS, 7)  # id 0 is embedded as zeros, which have no place
    seen: list[torch.Tensor] = []
    model.model.layers[0].register_forward_hook(lambda _module, _given, output: seen.append(output))
    places = [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 2, 2, 2, 2], [0, 1, 2, 3, 4, 5, 5], [0, 1, 2, 3, 4, 5, 6]]
    with torch.no_grad():
        response_logprobs(model, batch)
        for ids in (torch.tensor(places), None):
            model(input_ids=batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT, position_ids=ids)
    ours, theirs, default = (one[0] if isinstance(one, tuple) else one for one in seen)
    assert torch.equal(ours, theirs)
    real = batch.attention_mask_BxT.bool()
    assert torch.equal(ours[real], default[real])
    assert not torch.equal(ours[~real], default[~real])


def test_what_fills_the_padding_does_not_matter() -> None:
    model = toys.model()
    with torch.no_grad():
        zeros, eights = (response_logprobs(model, collate(ROWS, pad)) for pad in (0, 8))
    torch.testing.assert_close(zeros, eights, atol=1e-6, rtol=0)


def test_the_last_prompt_token_predicts_the_first_response_token() -> None:
    model, row = toys.model(), PairTokens([2, 9], [12], [13])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[2, 9]])).logits[0, -1]
        got = response_logprobs(model, collate([row], 0))
    torch.testing.assert_close(got, logits.log_softmax(-1)[[12, 13]], atol=1e-5, rtol=0)


def test_a_hook_on_a_layer_is_felt() -> None:
    model, batch = toys.model(), collate(ROWS, 0)
    with torch.no_grad():
        before = response_logprobs(model, batch)
        hook = model.model.layers[0].register_forward_hook(lambda module, args, output: output * 2)
        after = response_logprobs(model, batch)
        hook.remove()
        again = response_logprobs(model, batch)
    assert (before - after).abs().max() > 1e-3
    assert torch.equal(before, again)
