"""The lean path as training takes it: shared prompts, v W_dec, logits of responses only."""

from __future__ import annotations

from subject import ALPHA, BETA, GAMMA, PAD, Subject
from torch import Tensor

from fsrl.steer import Steering
from harness.models.residual import residual_reader
from harness.training.activation_cache import replayed
from harness.training.loss import simpo_losses
from harness.training.pairs import PairTokens
from harness.training.shared_prompt import collate_shared, decoder_inputs, shared_logprobs

CHUNK_FEATURES = 4096


class Lean:
    """The harness's own parts, put together as its trainer and the FSRL arm put them together."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.steering = Steering(subject.adapter, subject.sae, chunk_features=CHUNK_FEATURES)
        self.steering.attach(subject.model, subject.sizes.layer)

    def remember(self) -> None:
        """Compute the residual stream of every batch once, as a warm activation cache has it."""
        model, layer = self.subject.model, self.subject.sizes.layer
        self.steering.remove(model)
        batches = [collate_shared(rows, PAD) for rows in self.subject.batches]
        with residual_reader(model, layer) as read:
            self.residuals = [read(**decoder_inputs(model, batch)) for batch in batches]
        self.steering.attach(model, layer)

    def cached_loss(self, rows: list[PairTokens]) -> Tensor:
        """The same loss from the remembered residual stream."""
        residual = self.residuals[self.subject.batches.index(rows)]
        with replayed(self.subject.model, self.subject.sizes.layer, residual):
            return self.loss(rows)

    def loss(self, rows: list[PairTokens]) -> Tensor:
        """SimPO's loss and alpha times L1, a shared prompt's positions counted twice."""
        batch = collate_shared(rows, PAD)
        chosen, rejected = shared_logprobs(self.subject.model, batch).chunk(2)
        readings = self.steering.readings
        assert readings is not None
        counts = batch.attention_mask_BxT
        penalty = (readings.cost_BxT * counts).sum() / counts.sum()
        return simpo_losses(chosen, rejected, beta=BETA, gamma=GAMMA).mean() + ALPHA * penalty
