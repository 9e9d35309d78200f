"""What an objective sees of a batch of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class PairLogprobs(NamedTuple):
    """Log-probabilities, in nats, of the two responses of B pairs.

    Attributes:
        chosen_B, rejected_B: mean over the response's tokens, float32, differentiable.
        tokens_Bx3: int64, tokens of prompt, chosen and rejected response; a sum is mean * tokens.
        reference_Bx2: sums of chosen and rejected under the untouched base, no gradient; None unless
            `needs_reference`.
        nulled_Bx2: means under the model whose arm is nulled (`harness.arm.Dial`), differentiable; None
            unless `needs_null`.
        factor: by which the arm's edit was multiplied.
    """

    chosen_B: Tensor
    rejected_B: Tensor
    tokens_Bx3: Tensor
    reference_Bx2: Tensor | None = None
    nulled_Bx2: Tensor | None = None
    factor: float = 1.0
