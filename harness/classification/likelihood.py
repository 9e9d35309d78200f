"""How likely a model finds given answers to prompts that begin alike; the beginning is computed once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Ids = list[int]


class SharedPrefix:
    """The tokens that all prompts begin with, and the model's cache of them.

    Args:
        model: in evaluation mode.
        prompts: token ids; at least the last token of each stays outside of the prefix.
        pad_id: fills rows on the right, behind everything that is read.
    """

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Ids], pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id
        self.ids = prompts[0][: shared_length(prompts)]
        self._cache: Any = None

    def score(self, prompts: Sequence[Ids], answers: Sequence[Ids]) -> list[list[float]]:
        """Summed log-probability of each answer's tokens after each prompt: prompts x answers, nats."""
        import torch

        rows = [(prompt[len(self.ids) :], answer) for prompt in prompts for answer in answers]
        inputs = [rest + answer[:-1] for rest, answer in rows]
        longest = max(map(len, inputs))
        ids_BxT = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in inputs])
        with torch.no_grad():
            logits_BxTxV = self._logits(ids_BxT.to(self.model.device))
        sums = [
            _sum(logits_BxTxV[i, len(rest) - 1 : len(rest) - 1 + len(answer)], answer)
            for i, (rest, answer) in enumerate(rows)
        ]
        return [sums[i : i + len(answers)] for i in range(0, len(sums), len(answers))]

    def _logits(self, ids_BxT: Tensor) -> Tensor:
        import torch

        if not self.ids:
            alone: Tensor = self.model(ids_BxT).logits
            return alone
        if self._cache is None:
            prefix_1xP = torch.tensor([self.ids], device=self.model.device)
            self._cache = self.model(prefix_1xP, use_cache=True).past_key_values
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(ids_BxT))
        logits: Tensor = self.model(ids_BxT, past_key_values=cache, use_cache=True).logits
        return logits


def shared_length(prompts: Sequence[Ids]) -> int:
    """Number of leading tokens that all prompts share, leaving at least the last token of each."""
    first, last = min(prompts), max(prompts)  # whatever these two share, all in between share
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def _sum(logits_AxV: Tensor, answer: Ids) -> float:
    import torch

    chosen_A = torch.tensor(answer, device=logits_AxV.device)
    return float(logits_AxV.float().log_softmax(-1).gather(1, chosen_A[:, None]).sum())
