"""The residual stream at response positions, pair by pair, and the size of an edit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import training_toys as toys

from harness.training.pairs import PairTokens
from harness.training.responses import edit_size, responses, shared_prefix

ROWS = [
    PairTokens([2, 9, 10], [11, 12, 13], [11, 14]),
    PairTokens([2, 20], [21], [22, 23, 24, 25]),
    PairTokens([2, 30, 31, 32], [33, 34], [33, 34, 35]),
]


def test_each_response_has_the_activations_of_its_own_row() -> None:
    model = toys.model()
    found = list(responses(model, 0, ROWS, pad_id=0, batch_size=2))
    assert [one.shared for one in found] == [1, 0, 2]
    for row, one in zip(ROWS, found, strict=True):
        for response, got in ((row.chosen, one.chosen_WxD), (row.rejected, one.rejected_LxD)):
            with torch.no_grad():
                states = model(input_ids=torch.tensor([row.prompt + response]), output_hidden_states=True)
            wanted = states.hidden_states[1][0, len(row.prompt) :]
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_an_edited_model_is_read_as_the_base() -> None:
    model = toys.model()
    before = [one.chosen_WxD for one in responses(model, 1, ROWS, pad_id=0, batch_size=3)]
    assert all(one.shape[1] == 16 for one in before)
    assert shared_prefix(PairTokens([1], [2, 3], [2, 3])) == 2


def sizes(change: Any) -> dict[str, float]:
    rows: Any = SimpleNamespace(held_back=ROWS, pad_id=0, batch_size=2)
    return edit_size(toys.model(), 0, change, rows)


def test_a_constant_edit_is_explained_by_one_vector() -> None:
    found = sizes(lambda _x: torch.full((16,), 0.5))
    assert found["edit_rms"] == pytest.approx(2.0)
    assert found["constant_share"] == pytest.approx(1.0)
    assert found["unedited_share"] == 0.0
    assert found["resid_rms"] > 0


def test_an_edit_that_flips_its_sign_is_not() -> None:
    flips = iter([1.0, -1.0] * 50)
    found = sizes(lambda x: torch.stack([torch.full((16,), next(flips)) for _ in range(len(x))]))
    assert found["constant_share"] < 0.1
    assert found["edit_rms"] == pytest.approx(4.0)


def test_no_edit_has_no_size() -> None:
    found = sizes(torch.zeros_like)
    assert (found["edit_rms"], found["constant_share"], found["unedited_share"]) == (0.0, 0.0, 1.0)
