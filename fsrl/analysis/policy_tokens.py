"""What the adapter does position by position: fits on some pairs, errors and losses on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fsrl.analysis.affine_fit import AffineFit, Moments
from fsrl.steer import NAME
from harness.models.residual import residual_reader
from harness.training.loss import response_logprobs, simpo_losses
from harness.training.pairs import PairTokens, collate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from fsrl.adapter import Adapter
    from fsrl.analysis.subject import Subject
    from fsrl.sae import Sae


class Fits(NamedTuple):
    """The affine fits of every rank, each feature's mean where it is on, and the tokens of the fit."""

    affine: AffineFit
    amplitude_F: Tensor
    tokens: int


class Errors(NamedTuple):
    """For each pair, sums over its positions: |delta|^2 (P,), and what the forms leave of it.

    Attributes:
        affine: (P, d + 1), by rank; rank 0 is the constant.
        gating: (P,).
        tokens: positions in all.
    """

    total: NDArray[np.float64]
    affine: NDArray[np.float64]
    gating: NDArray[np.float64]
    tokens: int


def change(adapter: Adapter, sae: Sae, x: Tensor, *, fusion_relu: bool) -> Tensor:
    """f' - f of equation 6, (..., d_sae): what W_dec is multiplied by; v where f + v goes through no ReLU."""
    v: Tensor = adapter(sae.encoder_input(x))
    return (sae.encode(x) + v).relu() - sae.encode(x) if fusion_relu else v


@torch.no_grad()
def by_pair(
    subject: Subject, layer: int, rows: Sequence[PairTokens], positions: str
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """x_hat (N, d), f' - f (N, F) and delta (N, d) at a pair's positions, float64; never at a BOS."""
    fusion, dtype = getattr(subject.model, NAME).fusion_relu, subject.adapter.weight.dtype
    W_dec = subject.sae.W_dec.double()
    with residual_reader(subject.model, layer) as read:
        for row in rows:
            batch = collate([row], subject.pad_id).to(subject.model.device)
            x_BxTxD = read(batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT)
            mask = batch.response_mask_BxT if positions == "response" else batch.attention_mask_BxT.bool()
            x_NxD = x_BxTxD[:, 1:][mask[:, 1:]].to(dtype)
            change_NxF = change(subject.adapter, subject.sae, x_NxD, fusion_relu=fusion).double()
            yield subject.sae.encoder_input(x_NxD).double(), change_NxF, change_NxF @ W_dec


def fitted(subject: Subject, layer: int, rows: Sequence[PairTokens], positions: str) -> Fits:
    """The forms' best fits on these pairs."""
    moments = Moments(subject.sae.d_in, subject.model.device)
    total_F = torch.zeros(subject.sae.d_sae, dtype=torch.float64, device=subject.model.device)
    on_F = torch.zeros_like(total_F)
    for x_NxD, change_NxF, delta_NxD in by_pair(subject, layer, rows, positions):
        moments.add(x_NxD, delta_NxD)
        total_F += change_NxF.sum(0)
        on_F += (change_NxF != 0).sum(0)
    return Fits(moments.fit(), total_F / on_F.clamp(min=1), moments.rows)


def errors(subject: Subject, layer: int, rows: Sequence[PairTokens], positions: str, fits: Fits) -> Errors:
    """What each form leaves of |delta|^2, pair by pair."""
    W_dec, total, affine, gating, tokens = subject.sae.W_dec.double(), [], [], [], 0
    for x_NxD, change_NxF, delta_NxD in by_pair(subject, layer, rows, positions):
        total.append(float(delta_NxD.square().sum()))
        affine.append(fits.affine.errors(x_NxD, delta_NxD).cpu().numpy())
        gated_NxD = ((change_NxF != 0) * fits.amplitude_F) @ W_dec
        gating.append(float((delta_NxD - gated_NxD).square().sum()))
        tokens += len(delta_NxD)
    return Errors(np.array(total), np.stack(affine), np.array(gating), tokens)


def affine_edit(subject: Subject, fits: Fits, rank: int) -> Callable[[Tensor], Tensor]:
    """From the residual stream to the delta of the affine fit of a rank, as an edit."""
    slope, shift = (one.float() for one in fits.affine.map(rank))
    dtype = subject.adapter.weight.dtype
    return lambda x: subject.sae.encoder_input(x.to(dtype)).float() @ slope + shift


def gating_edit(subject: Subject, fits: Fits) -> Callable[[Tensor], Tensor]:
    """From the residual stream to the delta of the gates with mean amplitudes, as an edit."""
    fusion, dtype = getattr(subject.model, NAME).fusion_relu, subject.adapter.weight.dtype
    rows = (fits.amplitude_F.unsqueeze(-1) * subject.sae.W_dec.double()).float()

    def edit(x: Tensor) -> Tensor:
        on = change(subject.adapter, subject.sae, x.to(dtype), fusion_relu=fusion) != 0
        return on.float() @ rows

    return edit


@torch.no_grad()
def pair_losses(
    model: PreTrainedModel, rows: Sequence[PairTokens], pad_id: int, batch: int, beta: float, gamma: float
) -> NDArray[np.float64]:
    """(P,) SimPO losses in nats, in the rows' order."""
    found: list[float] = []
    for start in range(0, len(rows), batch):
        together = collate(rows[start : start + batch], pad_id).to(model.device)
        chosen_B, rejected_B = response_logprobs(model, together).chunk(2)
        found += simpo_losses(chosen_B, rejected_B, beta=beta, gamma=gamma).tolist()
    return np.array(found)
