"""What FSRL's policy is made of: a constant vector, an affine map of low rank, or its gates.

At each position delta = x_hat M(x) + c(x) exactly, an affine map whose M and c the gates choose. A LoRA at
this place is one M for all positions. The study asks how much of |delta|^2, and of the loss gained, is kept
when delta is replaced by a constant, by one affine map of rank r, or by its gates with constant amplitudes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from harness.core.errors import ProfileError
from harness.core.results import Interval
from harness.findings.policy_form import Form, PolicyFormResult, Reading
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fsrl.analysis.policy_tokens import Errors, Fits
    from fsrl.analysis.subject import Subject

SUMMARY = "What the policy is made of: constant, affine map by rank, gates."
LAYOUT = 1
READS: tuple[str, ...] = ()
ALL_ARMS = False
LEAST_TOKENS = 10
"""Tokens of the fit for each number of the residual stream: with fewer, least squares explains noise."""
FEW = 8
"""The largest rank at which a policy is called affine."""


class Config(Options):
    """Options.

    Attributes:
        positions: what is counted: `response`, or `non_padding` but for the BOS.
        draws: of the bootstrap over pairs.
        causal: whether the pairs are also scored with delta replaced.
    """

    positions: Literal["response", "non_padding"] = "response"
    draws: Annotated[int, Field(ge=100)] = 2000
    causal: bool = True


def run(config: Config, scene: StudyScene) -> Found:
    """Fit on the even test pairs, score on the odd ones.

    Raises:
        ProfileError: too few tokens to fit on.
    """
    from fsrl.analysis.policy_tokens import errors, fitted
    from fsrl.analysis.subject import load_subject

    subject, layer = load_subject(scene), scene.profile.sae.layer
    first, second = subject.rows[0::2], subject.rows[1::2]
    fits = fitted(subject, layer, first, config.positions)
    _check_enough(fits.tokens, subject.sae.d_in, len(second))
    seen, new = (errors(subject, layer, rows, config.positions, fits) for rows in (first, second))
    rank = matched_rank(subject)
    made = forms(seen, new, rank, config.draws, scene.profile.training.seed)
    gain = None
    if config.causal:
        made, gain = by_loss(config, scene, subject, fits, made)
    shares: dict[tuple[str, int], float] = {(one.name, one.rank): one.share.value for one in made}
    lost: dict[tuple[str, int], float] = {
        (one.name, one.rank): one.loss_share.value for one in made if one.loss_share is not None
    }
    return Found(
        PolicyFormResult(
            positions=config.positions,
            fit_pairs=len(first),
            scored_pairs=len(second),
            fit_tokens=fits.tokens,
            scored_tokens=new.tokens,
            rms=float((new.total.sum() / new.tokens) ** 0.5),
            matched_rank=rank,
            forms=made,
            reading=reading(shares),
            reading_by_loss=reading(lost) if lost else None,
            gain=gain,
            draws=config.draws,
            seed=scene.profile.training.seed,
        )
    )


def reading(shares: Mapping[tuple[str, int], float]) -> Reading:
    """What the policy is called, by rules that were fixed before the first run."""
    affine = {rank: share for (name, rank), share in shares.items() if name == "affine"}
    if shares["constant", 0] >= 0.8:
        return "static"
    if any(share >= 0.9 for rank, share in affine.items() if rank <= FEW):
        return "affine"
    return "gated" if shares["gating", 0] - affine[max(affine)] >= 0.1 else "mixed"


def forms(seen: Errors, new: Errors, rank: int, draws: int, seed: int) -> tuple[Form, ...]:
    """Shares of |delta|^2: the constant, affine maps of rising rank, the gates."""
    full = new.affine.shape[1] - 1
    columns: list[tuple[Any, int, Any, Any]] = [("constant", 0, new.affine[:, 0], seen.affine[:, 0])]
    columns += [("affine", r, new.affine[:, r], seen.affine[:, r]) for r in ranks(full, rank)]
    columns.append(("gating", 0, new.gating, seen.gating))
    return tuple(
        Form(
            name=name,
            rank=r,
            share=explained(left, new.total, draws, seed),
            in_sample=float(1 - inside.sum() / seen.total.sum()),
        )
        for name, r, left, inside in columns
    )


def ranks(full: int, matched: int) -> list[int]:
    """1, 2, 4, 8, ... below the full rank, LoRA's matched rank, and the full rank."""
    powers = {2**power for power in range(full.bit_length()) if 2**power < full}
    return sorted(powers | {min(matched, full), full})


def explained(left: NDArray[np.float64], total: NDArray[np.float64], draws: int, seed: int) -> Interval:
    """1 - sum(left) / sum(total) over pairs, with the 95 % interval of a bootstrap over pairs."""
    import numpy as np

    value = float(1 - left.sum() / total.sum())
    picked = np.random.default_rng(seed).integers(0, len(left), (draws, len(left)))
    drawn = 1 - left[picked].sum(1) / total[picked].sum(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value=value, stderr=float(drawn.std(ddof=1)), low=float(low), high=float(high))


def by_loss(
    config: Config, scene: StudyScene, subject: Subject, fits: Fits, made: Sequence[Form]
) -> tuple[tuple[Form, ...], Interval]:
    """The share of the loss gained that each form keeps, on the odd pairs; and the gain, base minus arm.

    Where the gain is not surely above 0 there is nothing to share out, and no share is given.
    """
    from pathlib import Path

    import numpy as np

    from fsrl.analysis.policy_tokens import affine_edit, gating_edit, pair_losses
    from harness.models.base_model import load_model
    from harness.models.residual import edit_residual

    profile, rows = scene.profile, subject.rows[1::2]
    settings = (subject.pad_id, profile.evaluation.loss_batch_size, profile.training.beta)
    base = load_model(Path(scene.prepared.model_dir), profile.model, subject.model.device)
    plain = pair_losses(base, rows, *settings, profile.training.gamma)
    gained = plain - pair_losses(subject.model, rows, *settings, profile.training.gamma)
    seed = profile.training.seed
    gain = explained(-gained, np.ones_like(gained), config.draws, seed)
    gain = gain.model_copy(update={name: getattr(gain, name) - 1 for name in ("value", "low", "high")})
    if gain.low <= 0:
        return tuple(made), gain
    found = []
    for one in made:
        edit = gating_edit(subject, fits) if one.name == "gating" else affine_edit(subject, fits, one.rank)
        handle = edit_residual(base, profile.sae.layer, edit)
        losses = pair_losses(base, rows, *settings, profile.training.gamma)
        handle.remove()
        kept = explained(gained - (plain - losses), gained, config.draws, seed)
        found.append(one.model_copy(update={"loss_share": kept}))
    return tuple(found), gain


def matched_rank(subject: Subject) -> int:
    """The rank at which LoRA on the seven linear layers of every block has about the adapter's entries."""
    from harness.models.linear_layers import USUAL, linear_layers
    from harness.models.rank import matched

    layers = linear_layers(subject.model, USUAL, 0).values()
    a_rank = sum(layer.in_features + layer.out_features for layer in layers)
    return matched(subject.sae.d_sae * (subject.sae.d_in + 1), a_rank)


def _check_enough(tokens: int, d: int, scored: int) -> None:
    if tokens < LEAST_TOKENS * d or scored < 2:
        raise ProfileError(
            f"{tokens} tokens are too few to fit a map of {d} x {d} numbers on",
            value=f"{scored} pairs to score",
            remedy=f"raise data.test_pairs until half of them have {LEAST_TOKENS * d} tokens",
        )
