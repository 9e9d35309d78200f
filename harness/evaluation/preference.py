"""SimPO on the test pairs: the loss of each pair, the rewards, and what the steering adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from harness.arm import Arm
from harness.core.errors import EvaluationError
from harness.core.results import PreferenceScores, Score
from harness.core.text import text_hash
from harness.training.loss import response_logprobs, simpo_losses
from harness.training.pairs import Pair, PairTokens, TokenisedPairs, collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class PairScore(NamedTuple):
    """One test pair: SimPO loss and the two rewards, beta times the mean log-probability of a response."""

    loss: float
    chosen_reward: float
    rejected_reward: float


class Steered(NamedTuple):
    """Sums over counted positions of what an arm adds: the penalty, abs(v), active features."""

    penalty: float
    l1: float
    l0: float
    positions: int


class PreferenceOutcome(NamedTuple):
    """The scores, the rows of the sample log in file order, and the tokens that went through the model."""

    scores: PreferenceScores
    rows: list[dict[str, Any]]
    tokens: int


def score_pairs(
    model: PreTrainedModel,
    arm: Arm,
    pairs: Sequence[Pair],
    tokenised: TokenisedPairs,
    *,
    pad_id: int,
    batch_size: int,
    beta: float,
    gamma: float,
) -> PreferenceOutcome:
    """Score the test pairs, longest first, with results in the order of the file.

    The penalty is a mean over all counted positions of the whole set, not a mean of the batches' means: each
    batch's penalty counts as often as the batch has counted positions. The penalised loss has the standard
    error of the loss: the penalty is one number of the whole set.

    Raises:
        EvaluationError: a loss that is not finite, or fewer than two pairs.
    """
    order = sorted(range(len(tokenised.rows)), key=lambda i: (-_length(tokenised.rows[i]), i))
    scored: dict[int, PairScore] = {}
    parts: list[Steered] = []
    with tqdm(total=len(order), desc="  preference", unit="pair", leave=False, disable=None) as bar:
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            rows = [tokenised.rows[i] for i in chosen]
            results, steered = _score_batch(model, arm, rows, pad_id, beta, gamma)
            scored.update(zip(chosen, results, strict=True))
            parts += [steered] if steered else []
            bar.update(len(chosen))
    results = [scored[index] for index in range(len(order))]
    total = Steered(*map(sum, zip(*parts, strict=True))) if parts else None
    scores = _scores(results, total, tokenised)
    penalty = total.penalty / total.positions if total else 0.0
    rows_out = [_row(i, pairs[i], tokenised.rows[i], results[i], penalty) for i in range(len(results))]
    tokens = sum(2 * len(row.prompt) + len(row.chosen) + len(row.rejected) for row in tokenised.rows)
    return PreferenceOutcome(scores, rows_out, tokens)


def _length(row: PairTokens) -> int:
    return len(row.prompt) + max(len(row.chosen), len(row.rejected))


@torch.no_grad()
def _score_batch(
    model: PreTrainedModel, arm: Arm, rows: Sequence[PairTokens], pad_id: int, beta: float, gamma: float
) -> tuple[list[PairScore], Steered | None]:
    batch = collate(rows, pad_id).to(model.device)
    chosen_B, rejected_B = response_logprobs(model, batch).chunk(2)
    losses_B = simpo_losses(chosen_B, rejected_B, beta=beta, gamma=gamma)
    penalty = arm.penalty(batch.attention_mask_BxT, batch.response_mask_BxT, 1.0)
    columns = (losses_B.tolist(), (beta * chosen_B).tolist(), (beta * rejected_B).tolist())
    results = [PairScore(*row) for row in zip(*columns, strict=True)]
    if penalty is None:
        return results, None
    counted = penalty.counted_BxT
    positions = int(counted.sum())
    return results, Steered(
        penalty=float(penalty.loss) * positions,
        l1=_sum(penalty.l1_BxT, counted),
        l0=_sum(penalty.l0_BxT, counted),
        positions=positions,
    )


def _sum(values_BxT: Tensor, counted_BxT: Tensor) -> float:
    return float(values_BxT.masked_fill(~counted_BxT, 0).sum(dtype=torch.float64))


def _scores(
    results: Sequence[PairScore], total: Steered | None, tokenised: TokenisedPairs
) -> PreferenceScores:
    loss = mean_score([result.loss for result in results], "SimPO loss")
    penalty = total.penalty / total.positions if total else 0.0
    return PreferenceScores(
        loss=loss,
        penalised_loss=loss.model_copy(update={"value": loss.value + penalty}),
        accuracy=mean_score([float(r.chosen_reward > r.rejected_reward) for r in results], "accuracy"),
        chosen_reward=mean_score([result.chosen_reward for result in results], "chosen reward"),
        rejected_reward=mean_score([result.rejected_reward for result in results], "rejected reward"),
        mean_l0=total.l0 / total.positions if total else None,
        mean_l1=total.l1 / total.positions if total else None,
        truncation=tokenised.truncation,
    )


def mean_score(values: Sequence[float], what: str) -> Score:
    """Mean with its standard error, the sample's standard deviation (n - 1) over the square root of n.

    Raises:
        EvaluationError: fewer than two values, or one that is not finite.
    """
    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        raise EvaluationError(
            f"the {what} of the test pairs has no mean with a standard error",
            value=f"{n} values, {sum(not math.isfinite(v) for v in values)} of them not finite",
            remedy="raise data.test_pairs to two or more; for values that are not finite see the training",
        )
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return Score(value=mean, stderr=math.sqrt(variance / n), n=n)


def _row(index: int, pair: Pair, tokens: PairTokens, result: PairScore, penalty: float) -> dict[str, Any]:
    return {
        "task": "preference",
        "doc_id": index,
        "doc_hash": text_hash(*(turn.content for turn in (*pair.prompt, *pair.chosen, *pair.rejected))),
        "question": "\n\n".join(turn.content for turn in pair.prompt),
        "options": [turn.content for answer in (pair.chosen, pair.rejected) for turn in answer],
        "correct": [0],
        "tokens": {name: len(ids) for name, ids in tokens._asdict().items()},
        "metrics": {
            **result._asdict(),
            "penalised_loss": result.loss + penalty,
            "accuracy": float(result.chosen_reward > result.rejected_reward),
        },
    }
