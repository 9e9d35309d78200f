"""Which analyses are called able to tell the kinds of oracle apart."""

from __future__ import annotations

import pytest

from harness.findings.controls import ENOUGH, RIGHT, Control, able, right

WRONG = {"style-heavy": "mixed", "truth-heavy": "style-heavy", "mixed": "truth-heavy"}


def controls(good: dict[str, int], draws: int = 3) -> tuple[Control, ...]:
    """Of each kind `draws` controls, the first `good` of them read right."""
    return tuple(
        Control(
            kind=kind, draw=draw, steered=4, contrasts={"usage": 0.0},
            readings={"usage": wanted if draw < good[kind] else WRONG[wanted]},
        )
        for kind, wanted in RIGHT.items()
        for draw in range(draws)
    )  # fmt: skip


def of(*good: int) -> dict[str, int]:
    return dict(zip(RIGHT, good, strict=True))


def test_the_right_readings() -> None:
    """Page 0115: style and truth alone, and three kinds that are neither."""
    assert RIGHT == {
        "style": "style-heavy", "truth": "truth-heavy", "both": "mixed", "neither": "mixed",
        "random": "mixed",
    }  # fmt: skip


def test_right_by_hand() -> None:
    assert right(controls(of(3, 2, 1, 0, 3)), "usage") == {
        "style": (3, 3), "truth": (2, 3), "both": (1, 3), "neither": (0, 3), "random": (3, 3),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("good", "wanted"),
    [
        (of(3, 3, 3, 3, 3), True),
        (of(3, 3, 3, 2, 1), True),
        (of(3, 3, 2, 2, 2), True),
        (of(3, 3, 3, 1, 1), False),
        (of(3, 3, 3, 3, 0), False),
        (of(0, 3, 3, 3, 3), False),
    ],
    ids=["15", "12, a kind once", "12", "11", "12, a kind never", "12, style never"],
)
def test_twelve_of_fifteen_and_no_kind_wrong_in_every_draw(good: dict[str, int], wanted: bool) -> None:
    assert able(controls(good), "usage") is wanted


@pytest.mark.parametrize("draws", range(1, 41))
def test_exactly_four_of_five_are_enough_for_any_number_of_draws(draws: int) -> None:
    """Rounding of 0.8 n turns no bound: 4 n of 5 n are enough, one fewer is not."""
    assert 4 * draws >= ENOUGH * (5 * draws)
    assert not 4 * draws - 1 >= ENOUGH * (5 * draws)


def test_a_kind_without_a_control_is_not_seen() -> None:
    some = tuple(one for one in controls(of(3, 3, 3, 3, 3)) if one.kind != "random")
    assert right(some, "usage")["random"] == (0, 0)
    assert not able(some, "usage")
