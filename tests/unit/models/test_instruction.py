"""An instruction in a prompt: the same place in its text and in its ids; prompts that lost their header."""

from __future__ import annotations

import pytest
import training_toys as toys

from harness.core.errors import ProfileError
from harness.models.instruction import make_instruction


def rendered(words: str) -> str:
    turn = [{"role": "user", "content": words}]
    return str(toys.tokenizer().apply_chat_template(turn, tokenize=False, add_generation_prompt=True))


def ids(text: str) -> list[int]:
    return list(toys.tokenizer()(text, add_special_tokens=False)["input_ids"])


def test_text_and_ids_are_those_of_the_instructed_turn() -> None:
    made = make_instruction("  Be short. ", toys.tokenizer())
    assert made.text == "Be short.\n\n"
    wanted = rendered("Be short.\n\nWhy?")
    assert made.into_text(rendered("Why?")) == wanted
    assert made.into_ids(ids(rendered("Why?"))) == ids(wanted)
    assert made.place(ids(rendered("Why?"))) == len(ids("<bos><start_of_turn>user\n"))


def test_without_a_template_it_stands_in_front() -> None:
    assert make_instruction("Be short.", toys.tokenizer()).into_text("Q: why?") == "Be short.\n\nQ: why?"


def test_a_prompt_that_was_cut_gets_it_after_its_first_token() -> None:
    made = make_instruction("Hi", toys.tokenizer())
    assert made.into_ids([2, 50, 51]) == [2, *made.ids, 50, 51]
    assert made.into_ids([]) == [*made.ids]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_instruction_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match="needs words"):
        make_instruction(text, toys.tokenizer())


def test_a_template_that_hides_the_words_is_refused() -> None:
    hiding = toys.tokenizer(template="{{ bos_token }}nothing")
    with pytest.raises(ProfileError, match="writes a user's words once"):
        make_instruction("Be short.", hiding)
