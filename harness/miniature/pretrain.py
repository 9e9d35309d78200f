"""Pre-training and instruction tuning of a miniature's model on a CPU."""

from __future__ import annotations

import math
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from harness.core.errors import TrainingError
from harness.miniature.batches import Batch, stream
from harness.miniature.corpus import Corpus

WATCH = 200_000


@dataclass(frozen=True)
class Phase:
    """A part of the curriculum: shares of documents by kind, and how many tokens it lasts."""

    name: str
    tokens: int
    mixture: dict[str, float] = field(hash=False)


CURRICULUM = (Path(__file__).parent / "curriculum.toml").read_text(encoding="utf-8")
PHASES = tuple(Phase(**one) for one in tomllib.loads(CURRICULUM)["phases"])


@dataclass(frozen=True)
class Recipe:
    """Optimiser settings: Muon for the matrices, AdamW for embeddings and norms, a trapezoid schedule."""

    step_tokens: int = 3072
    micro_tokens: int = 1536
    muon_lr: float = 4e-3
    adam_lr: float = 3e-3
    warmup_steps: int = 100
    decay_share: float = 0.35
    clip: float = 1.0


def weighted_loss(logits_BxLxV: Tensor, batch: Batch) -> Tensor:
    """Sum of weighted cross-entropies of the next tokens, in nats."""
    weights = batch.weights[:, 1:].reshape(-1)
    kept = weights > 0
    logits = logits_BxLxV[:, :-1].reshape(-1, logits_BxLxV.shape[-1])[kept]
    losses = F.cross_entropy(logits.float(), batch.ids[:, 1:].reshape(-1)[kept], reduction="none")
    return (losses * weights[kept]).sum()


def optimisers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon over the layers' matrices, AdamW over the rest."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(step: float, steps: float, recipe: Recipe) -> float:
    """Share of the full learning rate: linear warm-up, constant, linear decay to zero over the last part."""
    decay = recipe.decay_share * steps
    return max(0.0, min(1.0, (step + 1) / recipe.warmup_steps, (steps - step) / decay))


def _steps(batches: Iterator[Batch], recipe: Recipe) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if sum(b.tokens for b in group) >= recipe.step_tokens - recipe.micro_tokens // 2:
            yield group
            group = []
    if group:
        yield group


def train_step(
    model: PreTrainedModel, group: list[Batch], optims: list[torch.optim.Optimizer], recipe: Recipe
) -> float:
    """One update over the group's batches; returns the mean weighted loss (nats per unit of weight).

    Raises:
        TrainingError: the loss is not a finite number.
    """
    total = sum(float(batch.weights[:, 1:].sum()) for batch in group)
    value = 0.0
    for batch in group:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=batch.ids, use_cache=False).logits
        loss = weighted_loss(logits, batch)
        torch.autograd.backward(loss / total)
        value += loss.item() / total
    if not math.isfinite(value):
        remedy = "lower the learning rates of the recipe"
        raise TrainingError("the pre-training loss is not finite", value=value, remedy=remedy)
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    for optim in optims:
        optim.step()
        optim.zero_grad(set_to_none=True)
    return value


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    corpus: Corpus,
    recipe: Recipe,
    phases: tuple[Phase, ...] = PHASES,
    watch: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train the model in place through the phases; ``watch(tokens, loss)`` is called about every WATCH
    tokens.

    Returns:
        Tokens, steps, wall clock in seconds and the mean loss of the last 50 steps.
    """
    total = sum(phase.tokens for phase in phases)
    optims = optimisers(model, recipe)
    started, seen, losses, next_watch = time.monotonic(), 0, [], WATCH
    full = [group["lr"] for optim in optims for group in optim.param_groups]
    model.train()
    with tqdm(total=total, unit="tok", unit_scale=True, desc="pre-training", mininterval=5) as bar:
        for phase in phases:
            batches = stream(corpus, tokenizer, phase.mixture, recipe.micro_tokens, phase.tokens)
            for group in _steps(batches, recipe):
                share = rate(seen / recipe.step_tokens, total / recipe.step_tokens, recipe)
                for lr, param_group in zip(full, (g for o in optims for g in o.param_groups), strict=True):
                    param_group["lr"] = lr * share
                losses.append(train_step(model, group, optims, recipe))
                loss = sum(losses[-50:]) / len(losses[-50:])
                tokens = sum(batch.tokens for batch in group)
                seen += tokens
                bar.update(tokens)
                bar.set_postfix(phase=phase.name, loss=f"{loss:.3f}", refresh=False)
                if watch is not None and seen >= next_watch:
                    next_watch += WATCH
                    watch(seen, loss)
                    model.train()
    model.eval()
    wall = round(time.monotonic() - started, 1)
    return {"tokens": seen, "steps": len(losses), "wall_s": wall, "final_loss": round(loss, 4)}
