"""The sparse vector: the edit of the features, which can move, the penalty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import torch
from arm_toys import IDS, arm_of, residual

from baselines import sparse_vector
from fsrl.adapter import L0_FLOOR
from harness.models.residual import residual_reader
from harness.training.trained_edit import tensors_of


def test_the_sparse_vector_edits_features_and_counts_those_that_can_move(tmp_path: Path) -> None:
    arm, model = arm_of(sparse_vector, tmp_path), fsrl_toys.toy_model()
    arm.prepare(model)
    sae = arm.sae
    x = residual(model, 1)[0]
    w = torch.linspace(-1, 1, fsrl_toys.D_SAE)
    f = sae.encode(x)
    wanted = sae.decode((f + w).relu()) + (x - sae.decode(f))
    torch.testing.assert_close(x + arm.change(x, {"vector": w}), wanted, atol=1e-5, rtol=1e-4)
    rows = pair_tokens()
    facts = arm.over_rows(model, rows, 0, 2)
    active = set()
    for row in rows:
        for response in (row.chosen, row.rejected):
            with residual_reader(model, 1) as read:
                found = sae.encode(read(torch.tensor([row.prompt + response]))[0])
            active |= set((found > 0).any(0).nonzero().flatten().tolist())
    assert facts == {"active_features": len(active), "movable": pytest.approx(len(active) / 40)}
    assert arm.movable == facts["movable"]


def pair_tokens() -> list[Any]:
    from harness.training.pairs import PairTokens

    return [PairTokens([2, 8, 9], [10, 11, 1], [12, 1]), PairTokens([2, 7], [9, 1], [13, 14, 15, 1])] * 2


def test_the_sparse_penalty_is_the_sum_of_the_entries(tmp_path: Path) -> None:
    arm, model = arm_of(sparse_vector, tmp_path, penalty_coefficient=0.5), fsrl_toys.toy_model()
    arm.prepare(model)
    tensors_of(model)["vector"].data[:3] = torch.tensor([1.0, -2.0, L0_FLOOR / 2])
    model(input_ids=IDS)
    mask = torch.ones_like(IDS)
    mask[1, 6:] = 0
    penalty = arm.penalty(mask, mask.bool(), 1.0)
    assert float(penalty.loss.detach()) == pytest.approx(0.5 * 3, rel=1e-6)
    assert penalty.l0_BxT.shape == penalty.l1_BxT.shape == IDS.shape
    assert (float(penalty.l0_BxT[0, 0]), int(penalty.counted_BxT.sum())) == (2.0, 15)
    penalty.loss.backward()
    grad = tensors_of(model)["vector"].grad
    assert grad is not None
    torch.testing.assert_close(grad[:3], torch.tensor([0.5, -0.5, 0.5]))
