"""Roles cover every character, and the tokens take theirs from the characters."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from harness.miniature.batches import encode
from harness.miniature.corpus import Corpus, chat_with_roles
from harness.miniature.features import with_roles
from harness.miniature.manifest import BUNDLE
from harness.miniature.multiple_choice import identity
from harness.miniature.text import ROLES, Span, plain, role_per_character, strip
from harness.miniature.world import DEFAULT_SEED, make_world


@pytest.fixture
def corpus() -> Corpus:
    """A fresh corpus of the committed world."""
    return Corpus(make_world(DEFAULT_SEED), "test")


def test_roles_cover_the_text(corpus: Corpus) -> None:
    seen = set()
    for _ in range(300):
        _, request, answer = corpus.chat_spans()
        spans = chat_with_roles(request.text, answer)
        roles = role_per_character(spans)
        assert len(roles) == len(plain(spans))
        assert plain(answer) == plain(answer).strip() != ""
        seen |= set(roles)
    assert seen == set(ROLES)


def test_marks_are_style_and_verdicts_are_truth(corpus: Corpus) -> None:
    for _ in range(300):
        _, _, answer = corpus.chat_spans()
        text, roles = plain(answer), role_per_character(answer)
        for i, character in enumerate(text):
            if character in "#*":
                assert roles[i] == "style"
        for verdict in ("that is a myth", "that is true", "I think that", "The evidence says"):
            if verdict in text:
                assert roles[text.index(verdict)] == "truth"


def test_strip_keeps_roles() -> None:
    spans = (Span(" \n", "style"), Span(" a ", "truth"), Span("b \n", "content"), Span("", "style"))
    assert strip(spans) == (Span("a ", "truth"), Span("b", "content"))
    assert strip((Span(" ", "style"),)) == ()


def test_tokens_take_the_role_of_their_characters() -> None:
    tokenizer = AutoTokenizer.from_pretrained(BUNDLE / "model")
    found = with_roles(tokenizer, (Span("<bos>Yes", "content"), Span(" **", "style"), Span("no", "truth")))
    tokens = [tokenizer.decode([i]) for i in found.ids]
    by_role = {
        role: "".join(t for t, r in zip(tokens, found.roles, strict=True) if ROLES[r] == role)
        for role in ROLES
    }
    assert by_role == {"content": "<bos>Yes", "style": " **", "truth": "no"}


def test_segments_are_tokenised_as_the_whole_text_is(corpus: Corpus) -> None:
    tokenizer = AutoTokenizer.from_pretrained(BUNDLE / "model")
    for kind, make in corpus.makers.items():
        for _ in range(20):
            document = make()
            assert document.kind == kind
            whole = tokenizer(document.text, add_special_tokens=False)["input_ids"]
            encoded = encode(tokenizer, [document])[0]
            assert encoded.ids.tolist() == whole, document.text
            assert whole.count(tokenizer.bos_token_id) == 1
            assert encoded.weights.shape == encoded.ids.shape
            assert encoded.weights.max() >= 0.7


def test_training_text_holds_no_test_item(corpus: Corpus) -> None:
    held_out = {
        question + "\n" + "\n".join(f"{x}. {c}" for x, c in zip("ABCD", choices, strict=True))
        for question, choices in corpus.held_out
    }
    texts = [corpus.choice().text for _ in range(3000)]
    assert any("Which colour" in text for text in texts)
    asked = {text.split("\n\n", 1)[1].split("\nAnswer:")[0] for text in texts}
    assert not asked & held_out
    assert identity({"question": "q", "subject": "s", "choices": ["a"], "answer": 0}) == ("q", ("a",))
