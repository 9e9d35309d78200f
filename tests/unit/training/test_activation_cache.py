"""The activation cache: equal to recomputation, checksummed, within its budget."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import torch

from fsrl.steer import Steering
from harness.core.errors import DamagedFileError, ProfileError
from harness.models.residual import residual_reader
from harness.profiles.profile import load_profile, parse_profile
from harness.training.activation_cache import (
    DATA,
    ActivationCache,
    cache_key,
    check_budget,
    replayed,
    write,
)
from harness.training.pairs import PairTokens
from harness.training.shared_prompt import collate_shared, decoder_inputs, shared_logprobs

ROWS = [
    PairTokens([2, 9, 10, 11], [12, 13, 14], [15, 16]),
    PairTokens([2, 20], [21], [22, 23, 24, 25, 26]),
    PairTokens([2, 30, 31, 32], [39, 40], [41, 42, 43]),
]
LAYER = fsrl_toys.LAYER


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_on_the_cache_is_training_on_the_model(tmp_path: Path, dtype: torch.dtype) -> None:
    model = fsrl_toys.toy_model(dtype=dtype).requires_grad_(False)
    write(model, LAYER, ROWS, tmp_path, "key", 0)
    cache = ActivationCache(tmp_path, "key", 1)
    found = []
    steering = Steering(fsrl_toys.toy_adapter(dtype=dtype), fsrl_toys.toy_sae())
    chosen = [1, 0]
    batch = collate_shared([ROWS[i] for i in chosen], 0)
    residual = cache.residual(batch, chosen)
    assert residual.dtype == dtype
    with residual_reader(model, LAYER) as read:
        computed = read(**decoder_inputs(model, batch))
    torch.testing.assert_close(residual[batch.pair_BxT >= 0], computed[batch.pair_BxT >= 0])
    steering.attach(model, LAYER)
    for cached in (False, True):
        steering.zero_grad()
        if cached:
            with replayed(model, LAYER, residual):
                values = shared_logprobs(model, batch)
        else:
            values = shared_logprobs(model, batch)
        values.sum().backward()
        found.append((values.detach(), steering.adapter.weight.grad.clone()))
    torch.testing.assert_close(found[1][0], found[0][0])
    torch.testing.assert_close(found[1][1], found[0][1])


def test_afterwards_the_model_computes_again(tmp_path: Path) -> None:
    model, batch = fsrl_toys.toy_model(), collate_shared(ROWS, 0)
    before = shared_logprobs(model, batch)
    with replayed(model, LAYER, torch.zeros(1, batch.input_ids_BxT.shape[1], fsrl_toys.D_IN)):
        assert not torch.equal(shared_logprobs(model, batch), before)
    assert torch.equal(shared_logprobs(model, batch), before)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    write(fsrl_toys.toy_model(), LAYER, ROWS, tmp_path, "key", 0)
    data = bytearray((tmp_path / DATA).read_bytes())
    data[100] ^= 1
    (tmp_path / DATA).write_bytes(data)
    with pytest.raises(DamagedFileError, match="does not match what was written"):
        ActivationCache(tmp_path, "key", 1)


def test_another_model_layer_or_row_is_another_cache() -> None:
    keys = {
        cache_key("m", 1, ROWS, "float32"),
        cache_key("n", 1, ROWS, "float32"),
        cache_key("m", 2, ROWS, "float32"),
        cache_key("m", 1, ROWS[:2], "float32"),
        cache_key("m", 1, ROWS, "bfloat16"),
    }
    assert len(keys) == 5


def test_the_budget_is_kept_before_anything_is_written() -> None:
    tokens = 9 + 8 + 9
    check_budget(ROWS, 1024, 2, tokens * 1024 * 2 / 2**30)
    with pytest.raises(ProfileError, match="the activation cache needs"):
        check_budget(ROWS, 1024, 2, (tokens * 1024 * 2 - 1) / 2**30)


def test_a_cache_without_shared_prompts_is_refused() -> None:
    data = load_profile("miniature").resolved()
    data["training"]["activation_cache_gib"] = 1.0
    with pytest.raises(ProfileError, match="share_prompt"):
        parse_profile(data, where="a test")
