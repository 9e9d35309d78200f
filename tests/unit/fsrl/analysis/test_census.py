"""The census: shares and counts worked out by hand, padding left out, batches that change nothing."""

from __future__ import annotations

import pytest
import torch
from fsrl_toys import LAYER, toy_adapter, toy_model, toy_sae

from fsrl.analysis.census import Census, Config, padded
from fsrl.analysis.tally import Tally
from harness.models.residual import residual_reader

# Five features; 0 and 1 are alignment, 1 and 2 style (feature 1 is both).
MASKS = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
CLASSIFIED = torch.tensor([True, True, True, True, False])  # 3 is of neither kind, 4 has no label
# Positions: active {0,1,3,4}: shares 1/2 and 1/4; active {2}: 0 and 1; nothing; then one of padding: {0}.
VALUES = torch.tensor(
    [
        [2.0, -1.0, 0.0, 3.0, 1.0],
        [0.0, 0.0, 5.0, 1e-6, -1e-7],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [9.0, 0.0, 0.0, 0.0, 0.0],
    ]
)
EXAMPLE = torch.tensor([0, 1, 1, 1])
REAL = torch.tensor([True, True, True, False])
SEQUENCES = [[2, 5, 7, 9, 11, 13, 4], [2, 6, 8], [2, 21, 22, 23, 24]]


def tallied(*slices: slice) -> Tally:
    tally = Tally(MASKS, 2, CLASSIFIED)
    for part in slices:
        tally.add(VALUES[part], EXAMPLE[part], REAL[part])
    return tally


def test_shares_by_hand() -> None:
    tally = tallied(slice(0, 4))
    assert tally.count_F.tolist() == [1, 1, 1, 1, 1]
    assert tally.total_F.tolist() == pytest.approx([2.0, -1.0, 5.0, 3.0 + 1e-6, 1.0 - 1e-7])
    assert tally.shares["active"].share_ExC.tolist() == [[0.5, 0.25], [0.0, 1.0]]
    assert tally.shares["active"].defined_E.tolist() == [1, 1]
    assert (tally.positions, tally.empty, tally.mean_l0) == (3, 1, 5 / 3)


def test_shares_of_the_classified_features_by_hand() -> None:
    """Of {0, 1, 3, 4} three are classified: 2/3 alignment, 1/3 style."""
    classified = tallied(slice(0, 4)).shares["classified"]
    assert classified.share_ExC.tolist() == [[pytest.approx(2 / 3), pytest.approx(1 / 3)], [0.0, 1.0]]
    assert classified.defined_E.tolist() == [1, 1]
    assert classified.padded_total_C.tolist() == [pytest.approx(2 / 3 + 0 + 1), pytest.approx(1 / 3 + 1 + 0)]


def test_a_position_without_classified_features_has_no_share_of_them() -> None:
    tally = Tally(MASKS, 1, torch.tensor([True, False, False, False, False]))
    tally.add(torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]), torch.tensor([0]), torch.tensor([True]))
    assert tally.shares["active"].defined_E.tolist() == [1]
    assert tally.shares["classified"].defined_E.tolist() == [0]
    assert tally.empty == 0


def test_padding_counts_only_in_the_papers_way() -> None:
    tally = tallied(slice(0, 4)).shares["active"]
    assert tally.padded_positions == 3
    assert tally.padded_total_C.tolist() == [0.5 + 0.0 + 1.0, 0.25 + 1.0 + 0.0]
    assert tally.padded_squares_C.tolist() == [0.25 + 0.0 + 1.0, 0.0625 + 1.0 + 0.0]


def test_one_position_at_a_time_gives_the_same() -> None:
    whole, parts = tallied(slice(0, 4)), tallied(*(slice(i, i + 1) for i in range(4)))
    for name in ("count_F", "total_F"):
        assert torch.equal(getattr(whole, name), getattr(parts, name)), name
    for kind, shares in whole.shares.items():
        for name in ("share_ExC", "defined_E", "padded_total_C", "padded_squares_C"):
            assert torch.equal(getattr(shares, name), getattr(parts.shares[kind], name)), name


@pytest.mark.parametrize("at_once", [3, 1024])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_and_padding_change_no_count(batch: int, at_once: int) -> None:
    """Against the plain form: each sequence alone, all its positions at once."""
    model, sae, adapter = toy_model(), toy_sae(), toy_adapter()
    masks = torch.zeros(adapter.d_sae, 2)
    masks[:12, 0] = masks[8:20, 1] = 1
    census = Census(adapter, sae, (masks, masks.any(-1)), len(SEQUENCES), Config(positions_at_once=at_once))
    expected = torch.zeros(len(SEQUENCES), 2)
    active_F = torch.zeros(adapter.d_sae)
    with torch.no_grad(), residual_reader(model, LAYER) as read:
        for start in range(0, len(SEQUENCES), batch):
            census.add(read, SEQUENCES[start : start + batch], 0, start)
        for i, sequence in enumerate(SEQUENCES):
            active_TxF = adapter(sae.encoder_input(read(**padded([sequence], 0))[0])).abs() > 1e-6
            active_F += active_TxF.sum(0)
            for c in range(2):
                expected[i, c] = (active_TxF[:, masks[:, c].bool()].sum(-1) / active_TxF.sum(-1)).sum()
    steering = census.tallies["steering"]
    assert steering.positions == sum(map(len, SEQUENCES))
    assert steering.count_F.tolist() == active_F.tolist()
    torch.testing.assert_close(steering.shares["active"].share_ExC.float(), expected)
    padding = sum(
        max(map(len, SEQUENCES[s : s + batch])) * len(SEQUENCES[s : s + batch]) for s in range(0, 3, batch)
    )
    assert census.padding == padding - steering.positions


def test_batches_are_padded_on_the_right() -> None:
    found = padded([[5, 6, 7], [8]], 9)
    assert found["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert found["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
