"""Rows of the hub: their files, and the pairs that they become."""

from __future__ import annotations

from typing import Any

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


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


BEFORE = [turn("system", "S"), turn("user", "Q"), turn("assistant", "A"), turn("user", "More?")]
GOOD, BAD = turn("assistant", "G"), turn("assistant", "B")


@pytest.mark.parametrize("prompt", ["Q", "More?", [turn("user", "Q")], BEFORE])
def test_answers_of_several_turns_bring_the_turns_between_and_the_system_turn(prompt: object) -> None:
    row = {"prompt": prompt, "chosen": [*BEFORE, GOOD], "rejected": [*BEFORE, BAD]}
    assert pair_of(row) == {"prompt": BEFORE, "chosen": [GOOD], "rejected": [BAD]}


@pytest.mark.parametrize("prompt", ["More?", BEFORE])
def test_answers_of_one_turn_follow_the_prompt_of_the_row(prompt: object) -> None:
    whole = BEFORE if isinstance(prompt, list) else [turn("user", "More?")]
    row = {"prompt": prompt, "chosen": [GOOD], "rejected": [BAD]}
    assert pair_of(row) == {"prompt": whole, "chosen": [GOOD], "rejected": [BAD]}


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"rejected": [*BEFORE[:-1], BAD]}, "row 7 has two conversations that differ before the answer"),
        ({"rejected": [BAD]}, "row 7 has two conversations that differ"),
        ({"rejected": [*BEFORE[1:], BAD]}, "row 7 has two conversations that differ"),
        ({"prompt": "Another question"}, "row 7 has a prompt that its conversations do not contain"),
        ({"prompt": "A"}, "row 7 has a prompt that its conversations do not contain"),
        ({"prompt": [turn("user", "Q"), turn("user", "?")]}, "row 7 has a prompt that its conversations"),
        ({"chosen": [*BEFORE, GOOD, turn("user", "Thanks")]}, "row 7 has a conversation that does not end"),
        ({"chosen": "G"}, "row 7 is not a preference pair"),
    ],
)
def test_conversations_that_disagree_are_refused_with_the_row(changed: dict[str, Any], cause: str) -> None:
    row = {"prompt": "Q", "chosen": [*BEFORE, GOOD], "rejected": [*BEFORE, BAD], **changed}
    with pytest.raises(DataError, match=cause):
        pair_of(row, 7)
