"""A small fitted arm: one direction from the embedding, added with a strength that is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from harness.arm import FitRows, Fitted, Scene
from harness.core.documents import Strict
from harness.models.residual import edit_residual
from harness.training.search import Candidate, search

LAYER = 0


class Config(Strict):
    grid: Annotated[tuple[float, ...], Field(strict=False)]


class Arm:
    kind: ClassVar[Literal["fitted"]] = "fitted"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config = config

    @staticmethod
    def frozen_through(config: Config, sae: Any) -> int:
        return LAYER

    def penalty(self, *_: Any) -> None:
        return None

    def fit(self, model: Any, tokenizer: Any, rows: FitRows, folder: Path) -> Fitted:
        assert not torch.is_grad_enabled()
        embed = model.get_input_embeddings().weight
        chosen = [token for row in rows.fit for token in row.chosen]
        rejected = [token for row in rows.fit for token in row.rejected]
        v = embed[chosen].mean(0) - embed[rejected].mean(0)
        found = search(
            model,
            rows,
            [Candidate(strength, {"layer": LAYER}) for strength in self.config.grid],
            lambda one: hooked(model, one.strength * v),
        )
        save_file({"v": found.best.strength * v}, folder / "v.safetensors")
        self.load(model, folder)
        return Fitted(len(v), {"norm": float(v.norm())}, found)

    def load(self, model: Any, folder: Path) -> None:
        model.requires_grad_(False)
        v = load_file(folder / "v.safetensors")["v"]
        edit_residual(model, LAYER, lambda x: v)


class hooked:
    def __init__(self, model: Any, v: torch.Tensor) -> None:
        self.model, self.v = model, v

    def __enter__(self) -> None:
        self.handle = edit_residual(self.model, LAYER, lambda x: self.v)

    def __exit__(self, *_: Any) -> None:
        self.handle.remove()
