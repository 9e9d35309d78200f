"""Padding of a likelihood batch is told from tokens by the ids that were asked for."""

from __future__ import annotations

import pytest

from harness.core.errors import EvaluationError
from harness.evaluation.guard import BosRule, RequestLog

ONE = BosRule("exactly_one", 2, 1)


def test_token_0_at_the_end_of_a_request_is_a_token() -> None:
    log = RequestLog("mmlu", ONE)
    for ids in ([2, 7], [2, 7, 0], [2, 7, 0, 0], [2, 0]):
        log.expect(ids, "a")
    assert log.expected_rows == 4, "requests that differ in a last token 0 are not one request"
    batch = ([2, 7, 0, 0], [2, 7, 0, 0], [2, 7, 0, 0], [2, 0, 0, 0])
    assert [log.reached(row) for row in batch] == [4, 3, 2, 2], "as lm-eval pads, the longest first"
    with pytest.raises(EvaluationError, match="belong to no request"):
        log.reached([2, 7, 0, 0])
