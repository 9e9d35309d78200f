"""The miniature's tokenizer: byte-level BPE with Gemma's special tokens and chat template."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

PAD, EOS, BOS, UNK = "<pad>", "<eos>", "<bos>", "<unk>"
START, END = "<start_of_turn>", "<end_of_turn>"
SPECIAL_TOKENS = (PAD, EOS, BOS, UNK, START, END)
VOCABULARY = 2048
MAX_LENGTH = 2048

WORDS = r"\n|\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s"

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- set ns = namespace(turns=messages, lead='') -%}
{%- if messages and messages[0]['role'] == 'system' -%}
  {%- set ns.lead = messages[0]['content'] | trim ~ '\\n\\n' -%}
  {%- set ns.turns = messages[1:] -%}
{%- endif -%}
{%- for message in ns.turns -%}
  {%- if message['role'] not in ['user', 'assistant', 'model'] -%}
    {{- raise_exception('Unknown role: ' ~ message['role']) -}}
  {%- endif -%}
  {%- set speaker = 'user' if message['role'] == 'user' else 'model' -%}
  {%- set lead = ns.lead if loop.first and speaker == 'user' else '' -%}
  {{- '<start_of_turn>' ~ speaker ~ '\\n' ~ lead ~ message['content'] | trim ~ '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<start_of_turn>model\\n' -}}
{%- endif -%}
"""


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """A tokenizer trained on the texts; digits and line breaks are tokens, and every byte has one."""
    tokenizer = Tokenizer(BPE(unk_token=UNK))
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex(WORDS), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1", special_tokens=[(BOS, bos)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        bos_token=BOS,
        unk_token=UNK,
        extra_special_tokens=[START, END],
        add_bos_token=True,
        padding_side="left",
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
