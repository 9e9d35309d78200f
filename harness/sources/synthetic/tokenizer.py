"""A tokenizer of any vocabulary size in which each word `w<id>` is one token id."""

from __future__ import annotations

from pathlib import Path

from harness.miniature.manifest import BUNDLE

PAD, EOS, BOS, UNKNOWN = "<pad>", "<eos>", "<bos>", "<unk>"
TURN_START, TURN_END = "<start_of_turn>", "<end_of_turn>"
SPECIAL = (PAD, EOS, BOS, UNKNOWN, TURN_START, TURN_END)
ROLES = ("user", "model")
FIRST_WORD = len(SPECIAL) + len(ROLES)
TEMPLATE = BUNDLE / "model" / "chat_template.jinja"


def token_id(name: str) -> int:
    """The id of a special token or a role's name."""
    return (*SPECIAL, *ROLES).index(name)


def word(token: int) -> str:
    """The text of an id."""
    return f"w{token}"


def write_tokenizer(vocabulary: int, folder: Path) -> None:
    """Save a transformers tokenizer with Gemma's turns and `vocabulary` entries.

    A turn of n words becomes n tokens and a frame: `<start_of_turn>` and the role before, `<end_of_turn>`
    after.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*SPECIAL, *ROLES, *map(word, range(FIRST_WORD, vocabulary))]
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens(list(SPECIAL))
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
        pad_token=PAD,
        eos_token=EOS,
        bos_token=BOS,
        unk_token=UNKNOWN,
    )
    made.save_pretrained(folder)
