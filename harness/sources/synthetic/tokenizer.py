"""A tokenizer of any vocabulary size in which each word `w<id>` is one token id."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from harness.miniature.tokenizer import BOS, CHAT_TEMPLATE, EOS, PAD, SPECIAL_TOKENS, UNK

FRAME = (*SPECIAL_TOKENS, "user", "model")
FIRST_WORD = len(FRAME)


def token_id(name: str) -> int:
    """The id of a special token or a role's name."""
    return FRAME.index(name)


def word(token: int) -> str:
    """The text of an id."""
    return f"w{token}"


def write_tokenizer(vocabulary: int, folder: Path) -> None:
    """Save a transformers tokenizer with Gemma's turns and `vocabulary` entries.

    A turn of n words becomes n tokens and a frame: `<start_of_turn>` and the role before, `<end_of_turn>`
    after.
    """
    names = [*FRAME, *map(word, range(FIRST_WORD, vocabulary))]
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token=UNK))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens(list(SPECIAL_TOKENS))
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        chat_template=CHAT_TEMPLATE,
        pad_token=PAD,
        eos_token=EOS,
        bos_token=BOS,
        unk_token=UNK,
    )
    made.save_pretrained(folder)
