"""The base language model and its tokenizer, loaded as a profile declares them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import is_flash_attn_2_available

from harness.core.errors import (
    DamagedFileError,
    HarnessError,
    MissingInputError,
    ProfileError,
    UnavailableError,
    first_line,
)
from harness.models.chat_template import frozen

if TYPE_CHECKING:
    from harness.profiles.sections import ModelSection

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
SUPPORT = {
    "sdpa": "_supports_sdpa",
    "flex_attention": "_supports_flex_attn",
    "flash_attention_2": "_supports_flash_attn",
}
"""The flag of a model's class by which transformers refuses an attention implementation."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU; the caller records which."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def out_of_memory(kind: type[HarnessError], setting: str) -> Iterator[None]:
    """Turn PyTorch's out-of-memory errors, of a GPU and of the machine, into one of ours.

    Args:
        kind: of the error.
        setting: dotted name of what to lower in the profile.
    """
    try:
        yield
    except RuntimeError as error:
        whose = "GPU" if isinstance(error, torch.OutOfMemoryError) else "machine"
        if whose == "machine" and "DefaultCPUAllocator" not in str(error):
            raise
        cause, remedy = f"the {whose}'s memory is exhausted", f"lower {setting} in the profile"
        raise kind(cause, value=first_line(error), remedy=remedy) from error


def load_model(model_dir: Path, section: ModelSection, device: torch.device) -> PreTrainedModel:
    """A Hugging Face causal language model in evaluation mode, with the declared dtype and attention.

    Raises:
        MissingInputError: the folder holds no model.
        DamagedFileError: its files cannot be read, or weights are missing from them.
        ProfileError, UnavailableError: the model or this machine has no such attention.
    """
    _require(model_dir, "config.json")
    _refuse_pickles(model_dir)
    check_attention(model_dir, section.attention)
    dtype = DTYPES[section.dtype]
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            model_dir,
            dtype=dtype,
            attn_implementation=section.attention,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:
        raise _damaged(f"the model cannot be loaded ({first_line(error)})", model_dir) from error
    absent = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
    if absent:
        raise _damaged(f"the model's file does not hold {absent[0]} ({len(absent)} missing)", model_dir)
    return cast(PreTrainedModel, model.to(device).eval())


def check_attention(model_dir: Path, attention: str) -> None:
    """Refuse an attention implementation that the model's class or this machine does not have.

    Raises:
        ProfileError: transformers has none such for the model; Gemma-2's soft-capped scores have no sdpa.
        UnavailableError: the package flash-attn or a CUDA GPU is missing.
    """
    if attention not in SUPPORT:
        return
    try:
        config = AutoConfig.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise _damaged(
            f"the model's configuration cannot be read ({first_line(error)})", model_dir
        ) from error
    kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    capped = getattr(config.get_text_config(), "attn_logit_softcapping", None)
    if not getattr(kind, SUPPORT[attention], False):
        why = f", because its scores are soft-capped at {capped:g}" if capped else ""
        has = ["eager", *(name for name, flag in SUPPORT.items() if getattr(kind, flag, False))]
        raise ProfileError(
            f"{kind.__name__} has no {attention}{why}",
            value=f"model.attention = {attention}",
            remedy=f"set it to one of {', '.join(has)}",
        )
    if attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise UnavailableError(
            "flash_attention_2 needs a CUDA GPU and the package flash-attn",
            value=f"model.attention = {attention}",
            remedy="install flash-attn, or set it to eager or flex_attention",
        )


def check_differentiable(attention: str, device: torch.device) -> None:
    """Refuse to train where the attention implementation has no backward pass.

    Raises:
        ProfileError: flex_attention on a CPU.
    """
    if attention == "flex_attention" and device.type == "cpu":
        raise ProfileError(
            "flex_attention has no backward pass on a CPU",
            value=f"model.attention = {attention}",
            remedy="set it to eager, or train on a GPU",
        )


def load_tokenizer(model_dir: Path, section: ModelSection | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template; it pads on the right unless a caller says otherwise.

    Args:
        section: may give the day that the chat template prints. Without a section the template stays as it
            is, which is enough where no conversation is rendered.

    Raises:
        MissingInputError: the folder holds no tokenizer.
        DamagedFileError: its files cannot be read, or it has no chat template.
        ProfileError: the chat template prints the day, and no day is given.
    """
    _require(model_dir, "tokenizer_config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise _damaged(f"the tokenizer cannot be loaded ({first_line(error)})", model_dir) from error
    if not tokenizer.chat_template:
        raise _damaged("the tokenizer has no chat template", model_dir)
    if section is not None:
        tokenizer.chat_template = _frozen(tokenizer.chat_template, section.template_date)
    tokenizer.padding_side = "right"
    return cast(PreTrainedTokenizerBase, tokenizer)


def _frozen(template: str | dict[str, str], day: str) -> str | dict[str, str]:
    if isinstance(template, str):
        return frozen(template, day)
    return {name: frozen(one, day) for name, one in template.items()}


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that fills a row: the padding token's, else the end-of-sequence token's."""
    found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if not isinstance(found, int):
        raise DamagedFileError(
            "the tokenizer has neither a padding token nor an end-of-sequence token",
            value=tokenizer.name_or_path,
            remedy="add `pad_token` to its tokenizer_config.json",
        )
    return found


def _refuse_pickles(model_dir: Path) -> None:
    """A folder without safetensors whose weights are pickles is refused by the pickle's name."""
    pickles = sorted(path for path in model_dir.iterdir() if path.suffix in PICKLES)
    if pickles and not any(model_dir.glob("*.safetensors")):
        raise DamagedFileError(
            "the model's weights are a pickle file: reading it could run code, so it is refused",
            value=pickles[0],
            remedy="convert it to model.safetensors on a machine where you trust it",
        )


def _require(model_dir: Path, name: str) -> None:
    if not (model_dir / name).is_file():
        raise MissingInputError(
            "the model's folder lacks a file", value=model_dir / name, remedy="run `prepare` first"
        )


def _damaged(cause: str, model_dir: Path) -> DamagedFileError:
    return DamagedFileError(cause, value=model_dir, remedy="delete the folder and run `prepare` again")
