"""An instruction in front of the first user turn: put into the ids of a prompt, or into its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.core.errors import ProfileError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK = "\u2042"
"""Stands for the user's words while the template's header is looked for; no template writes it."""


class Instruction(NamedTuple):
    """An instruction under one chat template.

    Attributes:
        text: the instruction, with the blank line that ends it.
        header: what the template writes before the first user's words.
        ids, header_ids: the same as token ids.
    """

    text: str
    header: str
    ids: tuple[int, ...]
    header_ids: tuple[int, ...]

    def place(self, prompt: Sequence[int]) -> int:
        """Where the instruction goes in a prompt's ids: after the header.

        A prompt that was cut has lost it; there the instruction follows the first token.
        """
        whole = tuple(prompt[: len(self.header_ids)]) == self.header_ids
        return len(self.header_ids) if whole else min(1, len(prompt))

    def into_ids(self, prompt: Sequence[int]) -> list[int]:
        """A prompt's ids with the instruction."""
        place = self.place(prompt)
        return [*prompt[:place], *self.ids, *prompt[place:]]

    def into_text(self, prompt: str) -> str:
        """A rendered prompt with the instruction; in front of it where the prompt has no chat template."""
        place = len(self.header) if prompt.startswith(self.header) else 0
        return f"{prompt[:place]}{self.text}{prompt[place:]}"


def make_instruction(text: str, tokenizer: PreTrainedTokenizerBase) -> Instruction:
    """An instruction under a tokenizer's chat template.

    Raises:
        ProfileError: it is empty, or the template does not write the user's words as they are.
    """
    words = text.strip()
    turn = [{"role": "user", "content": MARK}]
    rendered = str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=False))
    if not words or rendered.count(MARK) != 1:
        raise ProfileError(
            "an instruction needs words, and a chat template that writes a user's words once, as they are",
            value=text or rendered[:200],
            remedy="correct the arm's instructions, or use another chat template",
        )
    header, ended = rendered.partition(MARK)[0], f"{words}\n\n"
    ids, header_ids = (
        tuple(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in (ended, header)
    )
    return Instruction(ended, header, ids, header_ids)
