"""DPO (arXiv 2305.18290, equation 7), and BiPO's form of it (arXiv 2406.00045), whose edit changes sign."""

# ruff: noqa: ARG002 - the protocol's arguments, whether this objective needs them or not

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from harness.core.documents import Strict

if TYPE_CHECKING:
    from torch import Tensor

    from harness.profiles.sections import TrainingSection
    from harness.training.pair_logprobs import PairLogprobs


class Config(Strict):
    """Options of DPO.

    Attributes:
        beta: scale of the rewards.
        bidirectional: whether the arm's edit is multiplied by d = 1 or -1, drawn for each batch, and the
            preference with it (BiPO). For arms with one direction.
    """

    beta: float = Field(default=0.1, gt=0)
    bidirectional: bool = False


class Objective:
    """-log sigmoid(d beta [(l(y_w) - r(y_w)) - (l(y_l) - r(y_l))]), l: sums under arm, r: base."""

    needs_reference = True
    needs_null = False

    def __init__(self, config: Config, section: TrainingSection) -> None:
        self.beta = config.beta
        self.factors: tuple[float, ...] = (1.0, -1.0) if config.bidirectional else ()

    def losses(self, pairs: PairLogprobs) -> Tensor:
        """(B,) losses in nats; ln 2 each while the arm is the base."""
        from torch.nn.functional import logsigmoid

        if pairs.reference_Bx2 is None:
            raise ValueError("DPO needs the reference's log-probabilities")
        _, n_w, n_l = pairs.tokens_Bx3.unbind(-1)
        r_w, r_l = pairs.reference_Bx2.unbind(-1)
        ratio_B = (pairs.chosen_B * n_w - r_w) - (pairs.rejected_B * n_l - r_l)
        losses_B: Tensor = -logsigmoid(pairs.factor * self.beta * ratio_B)
        return losses_B
