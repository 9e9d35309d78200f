"""The ids of a task's likelihood requests, tokenised by the first arm and read by the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from harness.core.artefact import digest_json, write_bytes
from harness.core.errors import DamagedFileError

FORMAT = 1
Ids = tuple[list[int], list[int]]
"""A request's prompt and its continuation."""


class RequestStore:
    """Tokenised requests in a folder, one file for all requests of a task.

    A file's name is a digest of everything that its ids depend on, so that another text, tokenizer or version
    is another file.

    Args:
        folder: made when something is written.
        tokenising: digest of the tokenizer's files and of the versions that tokenise.
    """

    def __init__(self, folder: Path, tokenising: str) -> None:
        self.folder, self.tokenising = folder, tokenising

    def path(self, task: str, prompts_sha256: str) -> Path:
        """The file of a task whose rendered requests have this digest."""
        return (
            self.folder / f"{task}-{digest_json([FORMAT, self.tokenising, prompts_sha256])[:16]}.safetensors"
        )

    def read(self, task: str, prompts_sha256: str) -> list[Ids] | None:
        """The ids in lm-eval's order; None where no arm has written them.

        Raises:
            DamagedFileError: the file is not what was written.
        """
        path = self.path(task, prompts_sha256)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in ("ids", "lengths")}
                written = (file.metadata() or {}).get("sha256")
        except (SafetensorError, OSError) as error:
            raise _damaged(path, str(error)) from error
        if written != _digest(arrays):
            raise _damaged(path, "its checksum differs")
        return _split(arrays["ids"], arrays["lengths"])

    def write(self, task: str, prompts_sha256: str, requests: Sequence[Ids]) -> None:
        """Keep the ids for the other arms, atomically."""
        flat = [token for request in requests for part in request for token in part]
        arrays = {
            "ids": np.asarray(flat, dtype=np.int32),
            "lengths": np.asarray([[len(part) for part in one] for one in requests], dtype=np.int32),
        }
        write_bytes(self.path(task, prompts_sha256), save(arrays, metadata={"sha256": _digest(arrays)}))


def _split(ids: np.ndarray, lengths: np.ndarray) -> list[Ids]:
    ends = [0, *lengths.reshape(-1).cumsum().tolist()]
    parts = [ids[start:end].tolist() for start, end in pairwise(ends)]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _digest(arrays: dict[str, np.ndarray]) -> str:
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(
        "tokenised requests cannot be read", value=f"{path}: {what}", remedy="delete the file and run again"
    )
