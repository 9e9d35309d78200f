"""Fits an arm that does not train, on the training pairs, in one process, and checks what it saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from harness.arm import FitRows
from harness.core.artefact import digest_json
from harness.core.errors import ProfileError
from harness.core.meter import Meter
from harness.core.results import TrainResult
from harness.models.base_model import load_model, load_tokenizer, pad_id, pick_device
from harness.training.ordered import configure, ordered_arm
from harness.training.saved import empty_folder, reloaded
from harness.training.usable import usable_pairs
from harness.training.watch import Watch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.arm import FittedArm
    from harness.profiles.profile import Profile
    from harness.training.exchange import Exchange, TrainSpec
    from harness.training.pairs import PairTokens


def fit(spec: TrainSpec, exchange: Exchange) -> TrainResult:
    """Fit the spec's arm, which saves itself, and check what was saved.

    Raises:
        HarnessError: any error of the inputs, the fit or the checks.
    """
    profile = spec.parsed()
    configure(spec.threads, profile.training.seed)
    model = load_model(Path(spec.model_dir), profile.model, pick_device()).requires_grad_(False)
    tokenizer = load_tokenizer(Path(spec.model_dir))
    data = profile.data
    _, (tokens, truncation) = usable_pairs(Path(spec.train_file), data.train_pairs, tokenizer, data)
    kept = Path(spec.checkpoints)
    kept.mkdir(parents=True, exist_ok=True)
    rows = fit_rows(profile, tokens, pad_id(tokenizer), kept, Watch(exchange, spec.parent).note)
    arm = cast("FittedArm", ordered_arm(spec, profile))
    counter = Counter(model)
    startup_s = time.monotonic() - spec.started
    with empty_folder(spec) as folder, Meter() as meter, torch.no_grad():
        found = arm.fit(model, tokenizer, rows, folder)
    counter.remove()
    usage = meter.usage(
        trainable_parameters=0,
        total_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tokens=counter.tokens,
        startup_s=startup_s,
    )
    reloaded(spec, profile, model, rows.fit[0])
    return TrainResult(
        trained=False,
        fitted=True,
        pairs=len(rows.fit),
        truncation=truncation,
        usage=usage,
        facts={**found.facts, **_facts(rows, model, found.entries)},
        search=found.search,
    )


def fit_rows(profile: Profile, tokens: list[PairTokens], pad_id: int, unfinished: Path, said: Any) -> FitRows:
    """The training pairs for a fitted arm: the last `fit.held_back` are held back.

    Raises:
        ProfileError: fewer than two pairs are left.
    """
    held_back = profile.fit.held_back if profile.fit else 0
    if len(tokens) - held_back < 2:
        raise ProfileError(
            f"fit.held_back leaves {max(len(tokens) - held_back, 0)} training pairs to fit on, of two needed",
            value=f"fit.held_back = {held_back}, {len(tokens)} pairs",
            remedy="lower fit.held_back, or raise data.train_pairs",
        )
    return FitRows(
        fit=tokens[: len(tokens) - held_back],
        held_back=tokens[len(tokens) - held_back :],
        pad_id=pad_id,
        batch_size=profile.evaluation.loss_batch_size,
        beta=profile.training.beta,
        gamma=profile.training.gamma,
        seed=profile.training.seed,
        candidates=profile.fit.candidates if profile.fit else 0,
        unfinished=unfinished,
        said=said,
    )


class Counter:
    """Counts the real tokens that go into a model's decoder."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.tokens = 0
        self._handle = model.get_decoder().register_forward_pre_hook(self._count, with_kwargs=True)

    def remove(self) -> None:
        """Stop counting."""
        self._handle.remove()

    def _count(self, _module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        mask, ids = given.get("attention_mask"), given.get("input_ids", args[0] if args else None)
        if isinstance(mask, torch.Tensor) and mask.dim() == 2:
            self.tokens += int(mask.sum())
        elif ids is not None:
            self.tokens += ids.numel()


def _facts(rows: FitRows, model: PreTrainedModel, entries: int) -> dict[str, Any]:
    return {
        "fitted_entries": entries,
        "fit_pairs": len(rows.fit),
        "fit_rows_sha256": digest_json(rows.fit),
        "held_back_pairs": len(rows.held_back),
        "held_back_rows_sha256": digest_json(rows.held_back),
        "seed": rows.seed,
        "device": model.device.type,
        "attention": model.config._attn_implementation,
        "threads": torch.get_num_threads(),
    }
