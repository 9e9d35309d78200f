"""RePS (arXiv 2505.20809): the edit makes the chosen response likelier, the nulled edit the rejected one.

The form is that of the authors' code, `scaled_simpo` in stanfordnlp/axbench, and of a summary of the paper,
whose own equation was not read. Where the two differ the paper's reading is the default.
"""

# ruff: noqa: ARG002 - the protocol's arguments, whether this objective needs them or not

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from harness.core.documents import Strict

if TYPE_CHECKING:
    from torch import Tensor

    from harness.profiles.sections import TrainingSection
    from harness.training.pair_logprobs import PairLogprobs


class Config(Strict):
    """Options of RePS.

    Attributes:
        factors: of the edit, one drawn for each batch.
        scaler: k, by which the reference's doubt scales the preference.
        length: tokens that a log-probability is divided by: those of the response, or, as in the authors'
            code, those of prompt and response.
        combine: `sum` of the two losses, or `mean`, as in the authors' code.
    """

    factors: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (1.0,)
    scaler: float = Field(default=1.0, gt=0)
    length: Literal["response", "whole"] = "response"
    combine: Literal["sum", "mean"] = "sum"


class Objective:
    """With l sums under the arm, l0 under the nulled arm, r under the base, and no gradient through b:

    plus:  -log sigmoid(b l(y_w) / n_w - l(y_l) / n_l),    b = max(k [r(y_l) - r(y_w)], 1)
    minus: -log sigmoid(b l0(y_l) / n_l - l0(y_w) / n_w),  b = max(k [r(y_w) - r(y_l)], 1)
    """

    needs_reference = True
    needs_null = True
    beta = 1.0

    def __init__(self, config: Config, section: TrainingSection) -> None:
        self.config, self.factors = config, config.factors

    def losses(self, pairs: PairLogprobs) -> Tensor:
        """(B,) losses in nats, plus and minus together."""
        plus_B, minus_B = self.both(pairs)
        both_B = plus_B + minus_B
        return both_B / 2 if self.config.combine == "mean" else both_B

    def both(self, pairs: PairLogprobs) -> tuple[Tensor, Tensor]:
        """(B,) losses of the edited and of the nulled model."""
        from torch.nn.functional import logsigmoid

        if pairs.reference_Bx2 is None or pairs.nulled_Bx2 is None:
            raise ValueError("RePS needs the log-probabilities of the reference and of the nulled arm")
        doubt_B = self.config.scaler * (pairs.reference_Bx2[:, 1] - pairs.reference_Bx2[:, 0])
        share_Bx2 = self._share(pairs.tokens_Bx3)
        w_B, l_B = pairs.chosen_B * share_Bx2[:, 0], pairs.rejected_B * share_Bx2[:, 1]
        w0_B, l0_B = (pairs.nulled_Bx2 * share_Bx2).unbind(-1)
        plus_B: Tensor = -logsigmoid(doubt_B.clamp(min=1) * w_B - l_B)
        minus_B: Tensor = -logsigmoid((-doubt_B).clamp(min=1) * l0_B - w0_B)
        return plus_B, minus_B

    def _share(self, tokens_Bx3: Tensor) -> Tensor:
        """(B, 2): what a mean over response tokens is multiplied by to be divided by the chosen length."""
        answered_Bx2 = tokens_Bx3[:, 1:]
        if self.config.length == "response":
            return answered_Bx2.new_ones(answered_Bx2.shape).float()
        return answered_Bx2 / (answered_Bx2 + tokens_Bx3[:, :1])
