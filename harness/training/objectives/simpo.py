"""SimPO (arXiv 2405.14734, equation 6): length-normalised rewards with a margin and without a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.documents import Strict

if TYPE_CHECKING:
    from torch import Tensor

    from harness.profiles.sections import TrainingSection
    from harness.training.pair_logprobs import PairLogprobs


class Config(Strict):
    """SimPO has no options here: beta and gamma_beta_ratio are the profile's, which scoring reads too."""


class Objective:
    """-log sigmoid(beta [l(y_w) / n_w - l(y_l) / n_l] - gamma), written as trl writes it, to the last bit."""

    needs_reference = False
    needs_null = False
    factors: tuple[float, ...] = ()

    def __init__(self, config: Config, section: TrainingSection) -> None:
        self.config, self.beta, self.ratio = config, section.beta, section.gamma / section.beta

    def losses(self, pairs: PairLogprobs) -> Tensor:
        """(B,) losses in nats."""
        from torch.nn.functional import logsigmoid

        losses_B: Tensor = -logsigmoid(self.beta * (pairs.chosen_B - pairs.rejected_B - self.ratio))
        return losses_B
