"""What differs in two descriptions, and the refusal that names it."""

from __future__ import annotations

import pytest

from harness.core.differing import differing, refuse_unlike
from harness.core.errors import NotComparableError


def test_a_key_of_one_side_only_differs() -> None:
    assert differing({"a": "1", "b": "2", "c": "3"}, {"c": "3", "b": "4", "d": "5"}) == ["a", "b", "d"]
    assert differing({"a": "1"}, {"a": "1"}) == []


def test_each_result_is_held_against_the_first() -> None:
    alike = {"one": {"torch": "2"}, "two": {"torch": "2"}}
    refuse_unlike(alike, remedy="-")
    with pytest.raises(NotComparableError, match=r"torch: one 2, three 3") as failure:
        refuse_unlike({**alike, "three": {"torch": "3"}}, remedy="run {name} again", where="runs")
    assert (failure.value.remedy, failure.value.value) == ("run three again", "runs")
