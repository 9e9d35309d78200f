"""Pairs dealt to ranks: each is trained on once, and fillers are taken out."""

from __future__ import annotations

import pytest

from harness.training.dataset import Rows, pairs_of_step, real
from harness.training.pairs import PairTokens

ROWS = [PairTokens([number], [10 + number], [20 + number]) for number in range(5)]
ORDER = [3, 1, 4, 0, 2]


def test_an_even_number_of_pairs_needs_no_filler() -> None:
    assert [Rows(ROWS, ORDER[:4], together=4)[i] for i in range(4)] == [(i, ROWS[i]) for i in ORDER[:4]]
    assert (len(Rows(ROWS, ORDER[:4], together=4)), len(Rows(ROWS, ORDER))) == (4, 5)


def test_fillers_go_to_the_last_passes_and_come_out_again() -> None:
    """Two ranks of two pairs, five pairs: the last passes are (2, filler) and (filler, filler)."""
    rows = Rows(ROWS, ORDER, together=4)
    assert len(rows) == 8
    first, second = real([rows[4], rows[5]]), real([rows[6], rows[7]])
    assert first == (([2], [ROWS[2]]), 1)
    assert second == (([3], [ROWS[3]]), 0), "a pair to go through the model, and none to train on"


@pytest.mark.parametrize(("step", "wanted"), [(0, 16), (1, 6)])
def test_the_last_step_has_what_is_left(step: int, wanted: int) -> None:
    assert pairs_of_step(22, 16, step) == wanted
