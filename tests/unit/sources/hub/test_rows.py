"""Rows of the hub: their files, and the pairs that they become."""

from __future__ import annotations

import pytest

from harness.core.errors import DataError, ProfileError
from harness.sources.hub.rows import Split, pair_of


def test_rows_of_the_hub_are_named_after_their_split() -> None:
    assert Split.of("openai/gsm8k/main/test.jsonl") == ("openai/gsm8k", "main", "test")
    for name in ("openai/gsm8k/test.jsonl", "openai/gsm8k/main/test", "a/b/c/d/e.jsonl"):
        with pytest.raises(ProfileError, match="ORG/NAME/CONFIG/SPLIT"):
            Split.of(name)


def test_a_row_with_whole_conversations_becomes_a_pair() -> None:
    question, good, bad = (
        {"role": r, "content": c} for r, c in (("user", "Q"), ("assistant", "G"), ("assistant", "B"))
    )
    row = {"prompt": "Q", "chosen": [question, good], "rejected": [question, bad], "all_rm_scores": [1.0]}
    assert pair_of(row) == {"prompt": [question], "chosen": [good], "rejected": [bad]}
    with pytest.raises(DataError, match="does not end with the assistant"):
        pair_of({**row, "rejected": [question]})
    with pytest.raises(DataError, match="not a preference pair"):
        pair_of({"prompt": "Q", "chosen": []})
