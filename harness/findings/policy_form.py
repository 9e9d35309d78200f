"""What the policy of a steering arm is made of: how much of it simpler forms explain."""

from __future__ import annotations

from typing import Literal

from harness.core.results import Interval, Record


class Form(Record):
    """A form fitted on one half of the pairs.

    Attributes:
        name: `constant`, `affine` or `gating`.
        rank: of an affine map; 0 for the others.
        share: of the sum of |delta|^2 over the other half that it explains; may be negative. Its interval is
            a bootstrap over pairs, the fit held fixed.
        in_sample: the same on the half that it was fitted on.
        loss_share: of the loss that the arm gains over the base, on the other half, when delta is replaced by
            the form; None where it was not measured or the gain is not surely above 0.
    """

    name: Literal["constant", "affine", "gating"]
    rank: int
    share: Interval
    in_sample: float
    loss_share: Interval | None = None


Reading = Literal["static", "affine", "gated", "mixed"]


class PolicyFormResult(Record):
    """The study's result.

    Attributes:
        positions: counted, never a BOS: `response` or `non_padding`.
        fit_pairs, scored_pairs, fit_tokens, scored_tokens: of the two halves.
        rms: root mean square length of delta over the scored half.
        matched_rank: at which LoRA on all blocks has about as many entries as the adapter.
        forms: in the order constant, affine by rank, gating.
        reading: by |delta|^2: `static` if a constant explains 0.8; else `affine` if a rank of 8 or less
            explains 0.9; else `gated` if gating explains 0.1 more than the affine map of full rank; else
            `mixed`.
        reading_by_loss: the same by `loss_share`, which counts where the two differ; None where not measured.
        gain: base's loss minus the arm's on the scored half, in nats; None where not measured.
        draws, seed: of the bootstrap.
    """

    kind: Literal["policy_form"] = "policy_form"
    positions: Literal["response", "non_padding"]
    fit_pairs: int
    scored_pairs: int
    fit_tokens: int
    scored_tokens: int
    rms: float
    matched_rank: int
    forms: tuple[Form, ...]
    reading: Reading
    reading_by_loss: Reading | None
    gain: Interval | None
    draws: int
    seed: int

    def form(self, name: str, rank: int = 0) -> Form | None:
        """The form of a name and a rank."""
        return next((one for one in self.forms if (one.name, one.rank) == (name, rank)), None)
