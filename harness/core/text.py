"""Digests of texts, by which rows of different files are recognised."""

from __future__ import annotations

import hashlib


def text_hash(*parts: str) -> str:
    """sha256 over texts, each with its length."""
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()
