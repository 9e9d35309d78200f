"""The residual stream after the steered block: training never changes it, so it is written once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from harness.core.artefact import digest_file, digest_json, write_json
from harness.core.documents import read_json
from harness.core.errors import DamagedFileError, ProfileError
from harness.core.folders import writing
from harness.models.base_model import DTYPES
from harness.models.residual import blocks_to, residual_reader
from harness.training.pairs import PairTokens
from harness.training.shared_prompt import SharedBatch, collate_shared, decoder_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DATA, MADE = "residual.bin", "made.json"
GIB = 2**30
TOGETHER = 2
"""Pairs that go through the model at once while the cache is written."""


class ActivationCache:
    """Rows of (d_model,) in the model's dtype, memory-mapped: each pair's prompt, chosen and rejected tokens.

    In bfloat16 they are the bits that the model computed; nothing is rounded a second time.

    Args:
        folder: of the two files, as `write` left them.
        key: of what was written; another key is another cache.
        layer: the block whose output was written.

    Raises:
        DamagedFileError: a file is missing, or is not what it was when it was written.
    """

    def __init__(self, folder: Path, key: str, layer: int) -> None:
        made = read_json(folder / MADE, made_by="train")
        path = folder / DATA
        if made["key"] != key or not path.is_file() or digest_file(path) != made["sha256"]:
            raise DamagedFileError(
                "the activation cache does not match what was written",
                value=path,
                remedy=f"delete the folder {folder}; the next training writes it again",
            )
        self.starts: list[int] = made["starts"]
        self.layer = layer
        self.dtype = DTYPES[made["dtype"]]
        self._rows = _mapped(path, "r", self.dtype, (self.starts[-1], made["d_model"]))

    def residual(self, batch: SharedBatch, pairs: Sequence[int]) -> Tensor:
        """(R, T, d_model) for a batch of these pairs in this order; padding is 0."""
        lines, width = batch.input_ids_BxT.shape
        found = torch.zeros(lines, width, self._rows.shape[-1], dtype=self.dtype)
        for place, pair in enumerate(pairs):
            rows = torch.from_numpy(self._rows[self.starts[pair] : self.starts[pair + 1]].copy())
            found[batch.pair_BxT == place] = rows.view(self.dtype)
        return found


def cache_key(model_digest: str, layer: int, rows: Sequence[PairTokens], dtype: str) -> str:
    """Digest of everything that the residual stream depends on."""
    return digest_json({"model": model_digest, "layer": layer, "rows": list(rows), "dtype": dtype})


def check_budget(rows: Sequence[PairTokens], d_model: int, width: int, budget_gib: float) -> None:
    """Refuse before the first byte is written.

    Raises:
        ProfileError: the rows need more disk than the budget.
    """
    needed = sum(map(_tokens, rows)) * d_model * width / GIB
    if needed > budget_gib:
        raise ProfileError(
            f"the activation cache needs {needed:.2f} GiB",
            value=f"training.activation_cache_gib = {budget_gib:g}",
            remedy="raise the budget, or set it to 0, which computes the lower blocks in every epoch",
        )


@torch.no_grad()
def write(
    model: PreTrainedModel, layer: int, rows: Sequence[PairTokens], folder: Path, key: str, pad_id: int
) -> None:
    """Run every pair through the blocks up to `layer` of an unsteered model and keep what comes out.

    The list of what was written goes last: a folder without it is not a cache.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    starts = np.cumsum([0, *map(_tokens, rows)]).tolist()
    d_model = int(model.config.get_text_config().hidden_size)
    remedy = "free disk space, or set training.activation_cache_gib to 0"
    with writing("the activation cache cannot be written", folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MADE).unlink(missing_ok=True)
        kept = _mapped(folder / DATA, "w+", model.dtype, (starts[-1], d_model))
        for start in range(0, len(rows), TOGETHER):
            batch = collate_shared(rows[start : start + TOGETHER], pad_id).to(model.device)
            with residual_reader(model, layer) as read:
                residual = read(**decoder_inputs(model, batch))
            for place in range(min(TOGETHER, len(rows) - start)):
                found = residual[batch.pair_BxT == place].contiguous().cpu()
                kept[starts[start + place] : starts[start + place + 1]] = _bits(found).numpy()
        kept.flush()
        made = {"key": key, "starts": starts, "d_model": d_model, "dtype": str(model.dtype).split(".")[-1]}
        write_json(folder / MADE, made | {"sha256": digest_file(folder / DATA)})


@contextlib.contextmanager
def replayed(model: PreTrainedModel, layer: int, residual: Tensor) -> Iterator[None]:
    """Inside, block `layer` gives `residual` and the blocks below it do nothing; hooks fire as ever."""
    blocks = blocks_to(model, layer)
    for block in blocks:
        block.forward = lambda hidden, *_args, **_kwargs: hidden
    blocks[-1].forward = lambda *_args, **_kwargs: residual
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _tokens(row: PairTokens) -> int:
    return sum(map(len, row))


def _bits(tensor: Tensor) -> Tensor:
    """NumPy knows no bfloat16: its bits as 16-bit integers."""
    return tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor


def _mapped(path: Path, mode: Any, dtype: torch.dtype, shape: tuple[int, int]) -> Any:
    return np.memmap(path, dtype=np.int16 if dtype == torch.bfloat16 else np.float32, mode=mode, shape=shape)
