"""A hurt document of results is read or refused, never a traceback."""

from __future__ import annotations

from pathlib import Path

from fuzz_toys import FUZZ, hurt, survives
from hypothesis import given
from hypothesis import strategies as st

from harness.findings.outcome import Outcome, parse_outcome


@FUZZ
@given(data=st.data())
def test_outcomes(outcome: Outcome, data: st.DataObject) -> None:
    document = outcome.model_dump(mode="json")
    assert parse_outcome(document, where=Path("x"), remedy="run it again") == outcome
    broken = data.draw(hurt(document))
    survives(lambda: parse_outcome(broken, where=Path("x"), remedy="run it again"))
