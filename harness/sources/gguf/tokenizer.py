"""A tokenizer from a GGUF file; what the file's reader leaves out is set explicitly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DamagedFileError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DIGITS_APART = "smollm"


def read_tokenizer(path: Path) -> tuple[PreTrainedTokenizerBase, dict[str, Any]]:
    """The tokenizer and what is known of it.

    transformers rebuilds a GGUF tokenizer as plain GPT-2 and leaves out the file's pre-tokenizer: `smollm`
    takes digits apart before anything else. It is put back here; any other is refused rather than ignored.

    Raises:
        DamagedFileError: no chat template, no end-of-turn token, or a pre-tokenizer that is not known here.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    field = GGUFReader(path).fields.get("tokenizer.ggml.pre")
    kind = None if field is None else field.contents()
    if kind != DIGITS_APART:
        raise _refuse(f"its pre-tokenizer {kind!r} is not known here (known: {DIGITS_APART})", path)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise _refuse("it has no chat template or no end-of-turn token", path)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, _facts(tokenizer, kind)


def _facts(tokenizer: PreTrainedTokenizerBase, kind: str) -> dict[str, Any]:
    template = str(tokenizer.chat_template)
    return {
        "pre_tokenizer": f"{kind}: digits apart, then byte-level (put back; the GGUF reader drops it)",
        "bos": tokenizer.bos_token,
        "bos_also_opens_each_turn": template.count(str(tokenizer.bos_token)) > 1,
        "eos": tokenizer.eos_token,
        "pad": tokenizer.pad_token,
        "pad_is_eos": tokenizer.pad_token_id == tokenizer.eos_token_id,
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest(),
        "chat_template_adds_a_system_message": "first" in template and "system" in template,
    }


def _refuse(cause: str, path: Path) -> DamagedFileError:
    return DamagedFileError(
        f"the GGUF file cannot be used: {cause}", value=path, remedy="use another GGUF file"
    )
