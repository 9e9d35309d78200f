"""Log-probabilities of labels under a frozen unembedding, differentiated in the forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear


class FrozenLogprobs(torch.autograd.Function):
    """log softmax(cap tanh(h W^T / cap))[label] in float32, and its derivative by h in the same pass.

    The derivative by a position's hidden state is the upstream scalar of that position times

        W[label] - softmax W     (with each logit's term times 1 - tanh^2 under a soft-cap)

    so that nothing of the logits is kept or computed again. W must need no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden_NxD: Tensor, weight_VxD: Tensor, labels_N: Tensor, cap: float | None, chunk: int
    ) -> Tensor:
        needed = ctx.needs_input_grad[0]
        to_hidden_NxD = torch.empty_like(hidden_NxD) if needed else None
        logprobs_N = torch.empty(len(hidden_NxD), dtype=torch.float32, device=hidden_NxD.device)
        for start in range(0, len(hidden_NxD), chunk):
            part = slice(start, start + chunk)
            logits_nxV = linear(hidden_NxD[part], weight_VxD)
            tanh_nxV = None if cap is None else torch.tanh_(logits_nxV.div_(cap))
            exact_nxV = logits_nxV.float() if tanh_nxV is None or cap is None else (tanh_nxV * cap).float()
            labels_nx1 = labels_N[part].unsqueeze(-1)
            total_nx1 = exact_nxV.logsumexp(-1, keepdim=True)
            logprobs_N[part] = (exact_nxV.gather(-1, labels_nx1) - total_nx1).squeeze(-1)
            if to_hidden_NxD is not None:
                slope_nxV = exact_nxV.sub_(total_nx1).exp_().neg_()
                slope_nxV.scatter_add_(-1, labels_nx1, slope_nxV.new_ones(labels_nx1.shape))
                slope = slope_nxV.to(hidden_NxD.dtype)
                if tanh_nxV is not None:
                    slope *= tanh_nxV.square_().neg_().add_(1)
                to_hidden_NxD[part] = slope @ weight_VxD
        if to_hidden_NxD is not None:
            ctx.save_for_backward(to_hidden_NxD)
        return logprobs_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        (to_hidden_NxD,) = ctx.saved_tensors
        return to_hidden_NxD * grads[0].unsqueeze(-1).to(to_hidden_NxD.dtype), None, None, None, None
