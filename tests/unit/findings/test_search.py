"""A search's reading: the rate of the least loss, and whether it lies at the edge of the grid."""

from __future__ import annotations

import pytest

from harness.core.results import Score
from harness.findings.search import SearchResult, Tried, least


def tried(arm: str, *losses: tuple[float, float]) -> tuple[Tried, ...]:
    """A training for each (rate, loss)."""
    return tuple(
        Tried(
            arm=arm, learning_rate=rate, loss=Score(value=loss, stderr=0.1, n=10),
            accuracy=Score(value=0.5, stderr=0.1, n=10),
            penalised_loss=Score(value=-loss, stderr=0.1, n=10),
            mean_l0=None, early=1.0, late=1.0, train_s=1.0,
        )
        for rate, loss in losses
    )  # fmt: skip


def result(*found: Tried) -> SearchResult:
    return SearchResult(
        command="c", profile="p", pairs="dev.jsonl", n=10, base_loss=Score(value=5.0, stderr=0.1, n=10),
        tried=found, chosen=least(found), commits=("a",), dirty=False, provenance={},
    )  # fmt: skip


def test_the_least_loss_without_penalty_is_chosen() -> None:
    """The toy's penalised losses run the other way."""
    found = (*tried("a", (0.1, 4.0), (0.2, 3.0), (0.4, 3.5)), *tried("b", (1.0, 2.0), (2.0, 1.0)))
    assert least(found) == {"a": 0.2, "b": 2.0}
    assert list(least(found)) == ["a", "b"]


def test_of_equal_losses_the_lowest_rate_is_chosen() -> None:
    rising = tried("a", (0.1, 4.0), (0.2, 3.0), (0.4, 3.0))
    assert least(rising) == least(rising[::-1]) == {"a": 0.2}


@pytest.mark.parametrize(("losses", "edge"), [((1, 2, 3), True), ((2, 1, 3), False), ((3, 2, 1), True)])
def test_the_edge_of_the_grid(losses: tuple[float, ...], edge: bool) -> None:
    """Of this arm's own grid: the other's rates lie around it."""
    found = result(*tried("a", *zip((0.1, 0.2, 0.4), losses, strict=True)), *tried("b", (0.01, 1), (9.0, 2)))
    assert found.at_an_edge("a") is edge
    assert found.at_an_edge("b")


def test_a_rate_below_the_floor_is_not_chosen() -> None:
    """The lower loss answers 0.6 of the questions, the other 0.9; with a floor of 0.7 the other is chosen."""
    found = tuple(
        one.model_copy(update={"choices": choices})
        for one, choices in zip(tried("fsrl", (0.1, 2.0), (0.01, 3.0)), (0.6, 0.9), strict=True)
    )
    assert least(found) == {"fsrl": 0.1}
    assert least(found, 0.7) == {"fsrl": 0.01}
    assert least(found, 0.95) == {"fsrl": 0.1}, "none does: all count"
