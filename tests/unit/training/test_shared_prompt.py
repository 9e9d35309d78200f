"""Prompts shared within a pair: the same log-probabilities, gradients and penalty as two whole rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
import training_toys as toys
from transformers import LlamaConfig, LlamaForCausalLM

from fsrl.arm import Arm
from fsrl.config import Config
from harness.core.errors import ProfileError
from harness.training.loss import response_logprobs
from harness.training.order import batch_order
from harness.training.pairs import PairTokens, collate
from harness.training.shared_prompt import attention, collate_shared, shared_logprobs

ROWS = [
    PairTokens([2, 9, 10, 11], [12, 13, 14], [15, 16]),
    PairTokens([2, 20], [21], [22, 23, 24, 25, 26]),
    PairTokens([2, 30, 31, 32, 33, 34, 35, 36, 37, 38], [39, 40], [41, 42, 43]),
]


def gemma() -> Any:
    return toys.model(sliding_window=4)


def llama(backend: str = "eager") -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=60, initializer_range=0.3, attn_implementation=backend, **sizes)
    return LlamaForCausalLM(config).eval()


def llama_sdpa() -> Any:
    return llama("sdpa")


def test_layout_by_hand() -> None:
    batch = collate_shared(ROWS[:2], 0)
    assert batch.input_ids_BxT.tolist() == [[2, 9, 10, 11, 12, 13, 14, 15, 16, 2, 20, 21, 22, 23, 24, 25, 26]]
    assert batch.attention_mask_BxT.tolist() == [[2] * 4 + [1] * 5 + [2] * 2 + [1] * 6]
    assert batch.position_ids_BxT.tolist() == [[0, 1, 2, 3, 4, 5, 6, 4, 5, 0, 1, 2, 2, 3, 4, 5, 6]]
    assert batch.sequence_BxT.tolist() == [[-1] * 4 + [0] * 3 + [2] * 2 + [-1] * 2 + [1] + [3] * 5]
    predicted_by = batch.before_BxT[batch.response_mask_BxT].tolist()
    assert predicted_by == [3, 4, 5, 3, 7, 10, 10, 12, 13, 14, 15]
    assert int(batch.attention_mask_BxT.sum()) == int(collate(ROWS[:2], 0).attention_mask_BxT.sum())


def test_responses_see_their_prompt_and_not_each_other() -> None:
    seen = attention(collate_shared([PairTokens([2, 9], [12, 13], [15])], 0))[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    windowed = attention(collate_shared([PairTokens([2, 9], [12, 13], [15])], 0), window=2)[0, 0].int()
    assert windowed[3].tolist() == [0, 0, 1, 1, 0]
    assert windowed[4].tolist() == [0, 1, 0, 0, 1]


@pytest.mark.parametrize("capacity", [8, 20, 4096])
@pytest.mark.parametrize("build", [gemma, llama, llama_sdpa])
def test_values_and_gradients_are_those_of_whole_rows(capacity: int, build: Callable[[], Any]) -> None:
    found = []
    for compute in (
        lambda model: response_logprobs(model, collate(ROWS, 0)),
        lambda model: shared_logprobs(model, collate_shared(ROWS, 0, capacity)),
    ):
        model = build()
        values = compute(model)
        (values * torch.arange(1.0, 7.0)).sum().backward()
        found.append((values.detach(), [tensor.grad for tensor in model.parameters()]))
    torch.testing.assert_close(found[1][0], found[0][0], atol=1e-5, rtol=1e-5)
    for one, other in zip(found[1][1], found[0][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def steered(folder: Path, positions: str) -> tuple[Any, Arm]:
    arm = Arm(
        Config(learning_rate=1e-3, penalty_coefficient=0.5, penalty_positions=positions),
        fsrl_toys.toy_scene(fsrl_toys.write_sae(folder)),
    )
    model = fsrl_toys.toy_model()
    arm.prepare(model)
    with torch.no_grad():
        assert arm.steering is not None
        arm.steering.adapter.weight.copy_(fsrl_toys.toy_adapter().weight)
    return model, arm


@pytest.mark.parametrize("positions", ["non_padding", "response"])
def test_the_penalty_is_that_of_whole_rows(tmp_path: Path, positions: str) -> None:
    model, arm = steered(tmp_path, positions)
    whole, shared = collate(ROWS, 0), collate_shared(ROWS, 0, 20)
    response_logprobs(model, whole)
    wanted = arm.penalty(whole.attention_mask_BxT, whole.response_mask_BxT, 1.0).loss
    shared_logprobs(model, shared)
    found = arm.penalty(shared.attention_mask_BxT, shared.response_mask_BxT, 1.0).loss
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_padding_that_counts_cannot_be_shared_away(tmp_path: Path) -> None:
    model, arm = steered(tmp_path, "all")
    batch = collate_shared(ROWS, 0)
    shared_logprobs(model, batch)
    with pytest.raises(ProfileError, match="share_prompt"):
        arm.penalty(batch.attention_mask_BxT, batch.response_mask_BxT, 1.0)


def test_a_backend_without_masks_of_any_shape_is_refused() -> None:
    model = toys.model()
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ProfileError, match="flash_attention_2"):
        shared_logprobs(model, collate_shared(ROWS, 0))


def test_batches_of_a_window_hold_pairs_of_like_length_and_every_pair_once() -> None:
    lengths = [(37 * i) % 101 for i in range(50)]
    order = batch_order(50, 2, 7, lengths=lengths, window=20, batch=4)
    assert sorted(order[:50]) == sorted(order[50:]) == list(range(50))
    assert order[:50] != order[50:]
    plain = batch_order(50, 2, 7)
    assert {*order[:20]} == {*plain[:20]}
    spread = [max(x) - min(x) for x in _batches([lengths[i] for i in order[:20]])]
    assert sum(spread) < sum(max(x) - min(x) for x in _batches([lengths[i] for i in plain[:20]])) / 2
    assert order == batch_order(50, 2, 7, lengths=lengths, window=20, batch=4)


def _batches(values: list[int]) -> list[list[int]]:
    return [values[start : start + 4] for start in range(0, len(values), 4)]
