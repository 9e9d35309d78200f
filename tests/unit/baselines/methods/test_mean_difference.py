"""Mean differences: pairs by hand, a difference of length alone, and what is refused."""

from __future__ import annotations

import pytest
import torch

from baselines.methods.mean_difference import MeanDifference, cosine, shared_prefix
from harness.core.errors import DataError


def test_two_pairs_by_hand() -> None:
    found = MeanDifference(1)
    found.add(torch.tensor([[9.0], [1.0], [3.0]]), torch.tensor([[9.0], [4.0]]), shared=1)
    found.add(torch.tensor([[6.0]]), torch.tensor([[1.0], [5.0]]), shared=0)
    assert found.vector("response_mean").item() == ((2 - 4) + (6 - 3)) / 2
    assert found.vector("last_token").item() == ((3 - 4) + (6 - 5)) / 2
    assert found.vector("token_mean").item() == pytest.approx((1 + 3 + 6) / 3 - (4 + 1 + 5) / 3)
    assert found.mean_tokens == (1.5, 1.5)
    assert found.resid_norm == pytest.approx((9 + 1 + 3 + 9 + 4 + 6 + 1 + 5) / 8)


def test_a_difference_of_length_alone_gives_a_vector_only_with_the_shared_part() -> None:
    """Chosen twice as long, the same long-normed head of three tokens: (1/40 - 1/20) sum(head)."""
    draw = torch.Generator().manual_seed(4)
    head = 10.0 * torch.randn(3, 16, generator=draw)
    plain, skipping = MeanDifference(16, skip_shared=False), MeanDifference(16)
    for _ in range(400):
        chosen = torch.cat([head, torch.randn(37, 16, generator=draw)])
        rejected = torch.cat([head, torch.randn(17, 16, generator=draw)])
        for found in (plain, skipping):
            found.add(chosen, rejected, 3)
    artefact = (1 / 40 - 1 / 20) * head.sum(0).double()
    assert cosine(plain.vector("response_mean"), artefact) > 0.99
    assert float(plain.vector("response_mean").norm()) == pytest.approx(float(artefact.norm()), rel=0.1)
    assert float(skipping.vector("response_mean").norm()) < 0.1


def test_bad_rows_are_refused() -> None:
    found = MeanDifference(2)
    with pytest.raises(DataError, match="no token after the part"):
        found.add(torch.ones(2, 2), torch.ones(3, 2), shared=2)
    with pytest.raises(DataError, match="not finite"):
        found.add(torch.full((2, 2), float("nan")), torch.ones(3, 2), shared=0)
    with pytest.raises(DataError, match="no pair"):
        MeanDifference(2).vector("last_token")


def test_shared_prefixes_and_cosines() -> None:
    assert shared_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert shared_prefix([1, 2], [1, 2, 4]) == 2
    assert shared_prefix([3], [1]) == 0
    assert cosine(torch.zeros(2), torch.ones(2)) == 0
    assert cosine(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(2**-0.5)
