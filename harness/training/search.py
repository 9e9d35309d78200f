"""The held-back search of a fitted arm: each candidate's SimPO loss on pairs that it was not fitted on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from harness.core.artefact import digest_json, write_json
from harness.core.errors import ProfileError, TrainingError
from harness.core.search import Search, Tried
from harness.training.loss import response_logprobs, simpo_losses
from harness.training.pairs import PairTokens, collate

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from harness.arm import FitRows

TRIED = "tried.json"


class Candidate(NamedTuple):
    """A setting of an arm's free numbers.

    Attributes:
        strength: how strongly the arm then edits; at 0 it is the base.
        options: the others, by their names.
    """

    strength: float
    options: dict[str, Any]


def search(
    model: PreTrainedModel,
    rows: FitRows,
    candidates: Sequence[Candidate],
    edited: Callable[[Candidate], AbstractContextManager[Any]],
) -> Search:
    """Try every candidate on the held-back pairs; the table, with the choice by `pick`.

    Losses of an interrupted search of the same candidates and rows are taken over.

    Args:
        edited: a context in which the model has a candidate's edit, and after which it is the base again.

    Raises:
        ProfileError: see `check_candidates`.
        TrainingError: a loss is not finite.
    """
    check_candidates(candidates, rows)
    key = digest_json([rows.held_back, rows.fit, [list(one) for one in candidates]])
    file = rows.unfinished / TRIED
    losses = _kept(file, key)
    for place, candidate in enumerate(candidates):
        if place >= len(losses):
            with edited(candidate):
                losses.append(held_back_loss(model, rows))
            if not math.isfinite(losses[-1]):
                raise TrainingError(
                    "a candidate's loss on the held-back pairs is not a finite number",
                    value=f"strength {candidate.strength:g}, {candidate.options}",
                    remedy="leave it out of the arm's grid",
                )
            write_json(file, {"key": key, "losses": losses})
        rows.said(place + 1, len(candidates), losses[place])
    return table(candidates, losses, rows)


def table(candidates: Sequence[Candidate], losses: Sequence[float], rows: FitRows) -> Search:
    """The record of a search."""
    chosen = pick(candidates, losses)
    strengths = sorted({one.strength for one in candidates})
    best = candidates[chosen].strength
    return Search(
        pairs=len(rows.held_back),
        rows_sha256=digest_json(rows.held_back),
        budget=rows.candidates,
        tried=tuple(
            Tried(options=one.options, strength=one.strength, loss=loss)
            for one, loss in zip(candidates, losses, strict=True)
        ),
        chosen=chosen,
        at_edge=len(strengths) > 2 and best != 0 and best in (strengths[0], strengths[-1]),
    )


def pick(candidates: Sequence[Candidate], losses: Sequence[float]) -> int:
    """The place of the least loss; of equal ones the weaker candidate, then the positive, then the first."""
    places = range(len(candidates))
    return min(places, key=lambda i: (losses[i], abs(candidates[i].strength), -candidates[i].strength))


def check_candidates(candidates: Sequence[Candidate], rows: FitRows) -> None:
    """Refuse a search that compares nothing, or more than the profile allows.

    Raises:
        ProfileError: no pairs are held back, fewer than two candidates, a strength that is not finite, none
            of strength 0, or more than the budget.
    """
    strengths = [one.strength for one in candidates]
    said = f"strengths {', '.join(f'{one:g}' for one in strengths)}"
    remedy = "give the arm's grid at least two finite strengths, 0 among them"
    if not rows.held_back:
        raise ProfileError(
            "the arm is tuned, and the profile holds no pairs back for it",
            value="no table [fit]",
            remedy="add [fit] with held_back and candidates to the profile",
        )
    if len(candidates) < 2 or not all(map(math.isfinite, strengths)) or 0 not in strengths:
        raise ProfileError("the arm's search compares nothing with the base", value=said, remedy=remedy)
    if len(candidates) > rows.candidates:
        raise ProfileError(
            f"the arm's search has {len(candidates)} candidates, the profile allows {rows.candidates}",
            value=said,
            remedy="shorten the arm's grid, or raise fit.candidates, for every arm alike",
        )


@torch.no_grad()
def held_back_loss(model: PreTrainedModel, rows: FitRows) -> float:
    """Mean SimPO loss, in nats, of the held-back pairs, by the forward pass that scores the test pairs."""
    longest = sorted(rows.held_back, key=_length, reverse=True)
    losses: list[float] = []
    for start in range(0, len(longest), rows.batch_size):
        batch = collate(longest[start : start + rows.batch_size], rows.pad_id).to(model.device)
        chosen_B, rejected_B = response_logprobs(model, batch).chunk(2)
        losses += simpo_losses(chosen_B, rejected_B, beta=rows.beta, gamma=rows.gamma).tolist()
    return math.fsum(losses) / len(losses)


def _length(row: PairTokens) -> int:
    return len(row.prompt) + max(len(row.chosen), len(row.rejected))


def _kept(file: Path, key: str) -> list[float]:
    """Losses of a search that was interrupted; none where the file is of another or is broken."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [float(loss) for loss in found["losses"]] if found["key"] == key else []
    except (OSError, ValueError, LookupError, TypeError):
        return []
