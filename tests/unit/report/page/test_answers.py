"""Equal answers stand once, and what is new in another is marked."""

from __future__ import annotations

from harness.findings.answers import Answer, Conversation, GenerationsResult, Token
from harness.report.page.answers import grouped


def answer(arm: str, *tokens: str) -> Answer:
    return Answer(
        arm=arm, text="".join(tokens), tokens=tuple(Token(text=one) for one in tokens), markdown=0, ended=True
    )


def result(*answers: Answer) -> GenerationsResult:
    return GenerationsResult(
        conversations=(Conversation(prompt="Why?", answers=answers),),
        titles={"a": "A", "b": "B", "c": "C"}, descriptions={}, mean_tokens={}, mean_markdown={},
        max_new_tokens=4,
    )  # fmt: skip


def test_equal_answers_stand_once_with_all_their_arms() -> None:
    ((first, second),) = grouped(
        result(answer("a", "the", " moon"), answer("b", "the", " red", " moon"), answer("c", "the", " moon"))
    )
    assert (first.titles, first.place, first.whole, first.changed) == ("A, C", 0, False, frozenset())
    assert (second.titles, second.place, second.changed) == ("B", 1, frozenset({1}))


def test_the_same_in_all_is_said() -> None:
    ((only,),) = grouped(result(answer("a", "yes"), answer("b", "yes")))
    assert only.whole
