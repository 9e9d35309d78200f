"""Summed log-probabilities of every training pair under the untouched base, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from harness.core.artefact import digest_json, write_bytes
from harness.core.errors import DamagedFileError
from harness.training.loss import response_logprobs
from harness.training.pairs import PairTokens, collate
from harness.training.shared_prompt import collate_shared, shared_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE, SUMS = "reference.safetensors", "sums"


def reference_key(model_digest: str, rows: Sequence[PairTokens], dtype: str, *, shared: bool) -> str:
    """Digest of everything that the reference's log-probabilities depend on."""
    return digest_json({"model": model_digest, "rows": list(rows), "dtype": dtype, "share_prompt": shared})


def reference_logprobs(
    model: PreTrainedModel, rows: Sequence[PairTokens], folder: Path, key: str, pad_id: int, *, shared: bool
) -> Tensor:
    """(P, 2) float32 sums, in nats, of the chosen and of the rejected response's tokens, in the rows' order.

    What lies in the folder under this key is read; otherwise the model, which must be the untouched base,
    makes it, while other ranks wait. Each pair goes through alone, so that no padding rounds it.

    Args:
        shared: whether the prompt goes through once for both responses, as in the training.

    Raises:
        DamagedFileError: the file is not what was written.
        RunFolderError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key[:16]}-{FILE}"
    with FileLock(folder / ".lock"):
        if not path.is_file():
            sums = _computed(model, rows, pad_id, shared)
            write_bytes(path, save({SUMS: sums}, metadata={"key": key}))
    return _read(path, key, len(rows))


@torch.no_grad()
def _computed(model: PreTrainedModel, rows: Sequence[PairTokens], pad_id: int, shared: bool) -> Tensor:
    means = []
    for row in rows:
        if shared:
            means.append(shared_logprobs(model, collate_shared([row], pad_id).to(model.device)))
        else:
            means.append(response_logprobs(model, collate([row], pad_id).to(model.device)))
    tokens_Px2 = torch.tensor([[len(row.chosen), len(row.rejected)] for row in rows])
    return (torch.stack(means).cpu() * tokens_Px2).contiguous()


def _read(path: Path, key: str, pairs: int) -> Tensor:
    try:
        with safe_open(path, "pt") as opened:
            found: Tensor = opened.get_tensor(SUMS)
            whole = (opened.metadata() or {}).get("key") == key and found.shape == (pairs, 2)
    except (OSError, SafetensorError) as error:
        raise _damaged(path) from error
    if not whole or not bool(torch.isfinite(found).all()):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> DamagedFileError:
    return DamagedFileError(
        "the reference's log-probabilities are not what was written",
        value=path,
        remedy="delete the file; the next training writes it again",
    )
