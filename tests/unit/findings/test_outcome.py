"""A hurt document of results is read or refused, never a traceback."""

from __future__ import annotations

from pathlib import Path

from fuzz_toys import FUZZ, hurt, survives
from hypothesis import given
from hypothesis import strategies as st

from harness.core.documents import parse_model
from harness.findings.outcome import Outcome


@FUZZ
@given(data=st.data())
def test_outcomes(outcome: Outcome, data: st.DataObject) -> None:
    document = outcome.model_dump(mode="json")
    told = {"what": "the results", "where": Path("x"), "remedy": "run it again"}
    assert parse_model(document, Outcome, **told) == outcome
    broken = data.draw(hurt(document))
    survives(lambda: parse_model(broken, Outcome, **told))
