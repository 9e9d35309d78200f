"""Fitted arms on the toy model: pairs whose responses differ in which tokens they use, and a fit of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fsrl_toys
import torch
from torch import Tensor

from baselines import diffmean, k_steering, sae_edit, sas
from harness.arm import FitRows, Fitted
from harness.training.pairs import PairTokens

GRID = (-2.0, -0.5, 0.0, 0.5, 2.0)
OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "diffmean": (diffmean, {"grid": GRID}),
    "sas": (sas, {"grid": GRID, "tau": (0.3, 0.5), "rows": "response_mean", "remove_common": False}),
    "k_steering": (k_steering, {"grid": GRID, "hidden": 8, "epochs": 2}),
    "k_steering_linear": (k_steering, {"grid": GRID, "hidden": 0, "epochs": 2, "steps": 2, "decay": 0.5}),
    "sae_edit": (sae_edit, {"grid": GRID, "top": 3}),
    "sae_edit_clamp": (sae_edit, {"grid": GRID, "features": (3, 5, 11), "edit": "clamp"}),
}
"""Every fitted arm that edits the residual stream, by what it is called in the tests."""
IDS = torch.tensor([[2, 9, 10, 31, 12, 7]])


class Fit(NamedTuple):
    """A fitted arm, its model and what it found."""

    arm: Any
    model: Any
    found: Fitted
    folder: Path


def pairs(count: int, seed: int = 0) -> list[PairTokens]:
    """Chosen responses of tokens 20-34, rejected ones of 35-49, after a shared first token."""
    draw = torch.Generator().manual_seed(seed)

    def some(low: int, high: int, length: int) -> list[int]:
        return torch.randint(low, high, (length,), generator=draw).tolist()

    return [
        PairTokens([2, *some(3, 20, 3 + i % 3)], [3, *some(20, 35, 3 + i % 4)], [3, *some(35, 50, 3 + i % 2)])
        for i in range(count)
    ]


def rows(
    unfinished: Path, said: Callable[[int, int, float], None] = lambda *_: None, **changes: Any
) -> FitRows:
    """12 pairs to fit on, 6 held back."""
    unfinished.mkdir(parents=True, exist_ok=True)
    made = FitRows(
        fit=pairs(12),
        held_back=pairs(6, seed=1),
        pad_id=0,
        batch_size=4,
        beta=10.0,
        gamma=5.0,
        seed=3,
        candidates=16,
        unfinished=unfinished,
        said=said,
    )
    return made._replace(**changes)


def arm(name: str, sae_dir: Path, **changes: Any) -> Any:
    """An arm of `OPTIONS` over the toy SAE, not yet attached."""
    module, options = OPTIONS[name]
    if not (sae_dir / "cfg.json").is_file():
        fsrl_toys.write_sae(sae_dir)
    return module.Arm(module.Config.model_validate({**options, **changes}), fsrl_toys.toy_scene(sae_dir))


def fitted(name: str, root: Path, given: FitRows | None = None, **changes: Any) -> Fit:
    """Fit an arm into `root/weights`."""
    made, model = arm(name, root / "sae", **changes), fsrl_toys.toy_model().requires_grad_(False)
    folder = root / "weights"
    folder.mkdir(parents=True)
    with torch.no_grad():
        found = made.fit(model, None, given or rows(root / "unfinished"), folder)
    return Fit(made, model, found, folder)


def logits(model: Any, ids: Tensor = IDS, **inputs: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=ids, **inputs).logits
    return found
