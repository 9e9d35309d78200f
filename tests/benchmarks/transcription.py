"""Equations 5 and 6 as printed, under trl's stock loss: the plain form that the lean path is held against."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from subject import ALPHA, BETA, GAMMA, PAD, Subject
from torch import Tensor
from trl.experimental.cpo import CPOTrainer

from harness.training.pairs import PairTokens, collate

STOCK = SimpleNamespace(
    loss_type="simpo",
    beta=BETA,
    simpo_gamma=GAMMA,
    label_smoothing=0.0,
    alpha=0.0,
    accelerator=SimpleNamespace(device="cpu"),
)
"""What trl's loss reads of its trainer."""


class Transcription:
    """A hook that computes f, v, f' = f + v and Dec(f') + (x - Dec(f)); whole logits; trl's own functions."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.v = torch.empty(0)
        subject.model.model.layers[subject.sizes.layer].register_forward_hook(self._steer)

    def _steer(self, _module: Any, _args: Any, output: Any) -> Any:
        x = output[0] if isinstance(output, tuple) else output
        sae, adapter = self.subject.sae, self.subject.adapter
        f = sae.encode(x)
        self.v = torch.relu(torch.nn.functional.linear(x, adapter.weight, adapter.bias))
        steered = sae.decode(f + self.v) + (x - sae.decode(f))
        return (steered, *output[1:]) if isinstance(output, tuple) else steered

    def loss(self, rows: list[PairTokens]) -> Tensor:
        """SimPO's loss and alpha times L1 over the positions that are not padding."""
        batch = collate(rows, PAD)
        logits = self.subject.model(
            input_ids=batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT, use_cache=False
        ).logits
        labels = batch.input_ids_BxT.masked_fill(~batch.response_mask_BxT, -100)
        chosen, rejected = CPOTrainer.get_batch_logps(logits, labels, average_log_prob=True).chunk(2)
        losses, _, _ = CPOTrainer.cpo_loss(STOCK, chosen, rejected)
        l1_BxT = self.v.abs().sum(-1)
        counted_BxT = batch.attention_mask_BxT.bool()
        return losses.mean() + ALPHA * (l1_BxT * counted_BxT).sum() / counted_BxT.sum()
