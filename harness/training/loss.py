"""SimPO's objective: length-normalised log-probabilities of the responses, and the loss on pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.utils.checkpoint import checkpoint

from harness.training.unembedding import FrozenLogprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.training.pairs import PairBatch

CHUNK = 1024
CPU_LOGITS = 2**23


def simpo_losses(chosen_B: Tensor, rejected_B: Tensor, *, beta: float, gamma: float) -> Tensor:
    """SimPO's loss of each pair (paper, equation 4): -log sigmoid(beta * (chosen - rejected) - gamma).

    Args:
        chosen_B, rejected_B: mean log-probability of each response's tokens.
        beta: scale of the rewards.
        gamma: absolute margin between the rewards.

    Returns:
        (B,) losses in the inputs' dtype.
    """
    losses_B: Tensor = -logsigmoid(beta * (chosen_B - rejected_B) - gamma)
    return losses_B


def response_logprobs(model: PreTrainedModel, batch: PairBatch, *, chunk: int = 0) -> Tensor:
    """Mean log-probability of each row's response tokens, in float32.

    Only the positions that predict a response token go through the unembedding, `chunk` of them at a time,
    and under gradients each chunk's logits are computed again in the backward pass: peak memory is chunk x
    vocabulary instead of batch x length x vocabulary. The arithmetic is that of the model's own forward pass.
    Padding has the place of the last token before it, as in the authors' code; only a penalty that counts
    padding sees it.

    Args:
        model: a causal language model of transformers, with whatever hooks sit on its layers.
        batch: 2B rows of token ids and masks.
        chunk: positions that are unembedded at once; 0 takes `chunk_rows`.

    Returns:
        (2B,) float32.
    """
    decoder = model.get_decoder()
    hidden_BxTxD = decoder(
        input_ids=batch.input_ids_BxT,
        attention_mask=batch.attention_mask_BxT,
        position_ids=(batch.attention_mask_BxT.cumsum(-1) - 1).clamp(min=0),
        use_cache=False,
    ).last_hidden_state
    rows, columns = batch.response_mask_BxT[:, 1:].nonzero(as_tuple=True)
    hidden_NxD = hidden_BxTxD[rows, columns]
    labels_N = batch.input_ids_BxT[rows, columns + 1]
    logprobs_N = label_logprobs_of(model, hidden_NxD, labels_N, chunk or chunk_rows(model))
    logprobs_BxT = hidden_NxD.new_zeros(batch.response_mask_BxT[:, 1:].shape, dtype=torch.float32)
    logprobs_BxT = logprobs_BxT.index_put((rows, columns), logprobs_N)
    means_B: Tensor = logprobs_BxT.sum(-1) / batch.response_mask_BxT[:, 1:].sum(-1)
    return means_B


def chunk_rows(model: PreTrainedModel) -> int:
    """Positions unembedded at once: 1024 on a GPU; on a CPU as many as have 2^23 logits (32 MiB)."""
    weight = model.get_output_embeddings().weight
    return CHUNK if weight.is_cuda else max(1, min(CHUNK, CPU_LOGITS // len(weight)))


def label_logprobs_of(model: PreTrainedModel, hidden_NxD: Tensor, labels_N: Tensor, chunk: int) -> Tensor:
    """(N,) float32 log-probability of each label, `chunk` positions at a time.

    Under a frozen unembedding without a bias `FrozenLogprobs` needs no second look at the logits.
    """
    head = model.get_output_embeddings()
    if not head.weight.requires_grad and head.bias is None:
        arguments = (hidden_NxD, head.weight, labels_N, _cap(model), chunk)
        frozen_N: Tensor = FrozenLogprobs.apply(*arguments)  # type: ignore[no-untyped-call]
        return frozen_N
    chunks = zip(torch.split(hidden_NxD, chunk), torch.split(labels_N, chunk), strict=True)
    return torch.cat([_chunk_logprobs(model, hidden_nxD, labels_n) for hidden_nxD, labels_n in chunks])


def _cap(model: PreTrainedModel) -> float | None:
    cap: float | None = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return cap


def _chunk_logprobs(model: PreTrainedModel, hidden_NxD: Tensor, labels_N: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return token_logprobs(model, hidden_NxD, labels_N)
    logprobs_N: Tensor = checkpoint(token_logprobs, model, hidden_NxD, labels_N, use_reentrant=False)
    return logprobs_N


def token_logprobs(model: PreTrainedModel, hidden_NxD: Tensor, labels_N: Tensor) -> Tensor:
    """(N,) float32 log-probability of each label under the model's unembedding of the final hidden state."""
    logits_NxV = unembedded(model, hidden_NxD).float()
    picked_N = logits_NxV.gather(-1, labels_N.unsqueeze(-1)).squeeze(-1)
    logprobs_N: Tensor = picked_N - logits_NxV.logsumexp(-1)
    return logprobs_N


def unembedded(model: PreTrainedModel, hidden_NxD: Tensor) -> Tensor:
    """(N, V) logits of the final hidden state, soft-capped where the model does that."""
    logits_NxV: Tensor = model.get_output_embeddings()(hidden_NxD)
    cap = _cap(model)
    return logits_NxV if cap is None else torch.tanh(logits_NxV / cap) * cap
