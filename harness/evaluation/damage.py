"""What an arm does to text that has nothing to do with the preferences: KL to the base, and perplexity.

The text is the prompts of the likelihood tasks (questions and their answer options, as lm-eval asks them):
nothing that an arm was trained or fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from harness.core.errors import EvaluationError
from harness.training.loss import chunk_rows, unembedded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.core.results import EvaluateResult
    from harness.evaluation.requests import RequestStore
    from harness.models.instruction import Instruction


class TextDamage(NamedTuple):
    """One text under base and arm, in nats a token, mean over its tokens but the first.

    Attributes:
        kl: from the base's next-token distribution to the arm's.
        base_nll, arm_nll: negative log-probability of the text.
    """

    kl: float
    base_nll: float
    arm_nll: float


def neutral_texts(store: RequestStore, evaluated: EvaluateResult, limit: int) -> list[list[int]]:
    """Ids of different prompts of the likelihood tasks, taken evenly from all of them.

    Args:
        evaluated: of an arm that shares its requests with the others.
        limit: texts of each task at most.

    Raises:
        EvaluationError: no task of the run keeps its requests.
    """
    found: dict[tuple[int, ...], None] = {}
    for task, facts in evaluated.requests.items():
        requests = store.read(task, facts.prompts_sha256) or []
        prompts = list(dict.fromkeys(tuple(prompt) for prompt, _ in requests if len(prompt) > 1))
        step = max(1, len(prompts) // limit)
        found |= dict.fromkeys(prompts[::step][:limit])
    if len(found) < 2:
        raise EvaluationError(
            "there is no neutral text: the run keeps no prompts of a likelihood task",
            value=", ".join(evaluated.requests) or "no task",
            remedy="give the profile a likelihood task such as mmlu, and evaluate the base arm again",
        )
    return [list(prompt) for prompt in found]


@torch.no_grad()
def damage(
    base: PreTrainedModel,
    arm: PreTrainedModel,
    texts: Sequence[Sequence[int]],
    *,
    pad_id: int,
    batch_size: int,
    instruction: Instruction | None = None,
) -> list[TextDamage]:
    """Compare two models on each text, in order; both on one device, in evaluation mode.

    Args:
        instruction: put into the arm's texts; what is compared is the text's own tokens.
    """
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
    found: dict[int, TextDamage] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        rows = [list(texts[i]) for i in part]
        places = [list(range(len(row) - 1)) for row in rows]
        put, seen = rows, places
        if instruction is not None:
            put = [instruction.into_ids(row) for row in rows]
            seen = [_moved(instruction, row) for row in rows]
        ours, theirs = _hidden(base, rows, pad_id), _hidden(arm, put, pad_id)
        for line, (i, row) in enumerate(zip(part, rows, strict=True)):
            pair = ours[line, places[line]], theirs[line, seen[line]]
            found[i] = _compared(base, arm, pair, torch.tensor(row[1:], device=base.device))
    return [found[i] for i in range(len(texts))]


def _moved(instruction: Instruction, row: Sequence[int]) -> list[int]:
    """Where each position that predicts a token of the row lies once the instruction is in it."""
    place, added = instruction.place(row), len(instruction.ids)
    return [at if at < place - 1 else at + added for at in range(len(row) - 1)]


def _hidden(model: PreTrainedModel, rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    ids = [torch.tensor(row) for row in rows]
    mask_BxT = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).to(model.device)
    hidden_BxTxD: Tensor = model.get_decoder()(
        input_ids=pad_sequence(ids, batch_first=True, padding_value=pad_id).to(model.device),
        attention_mask=mask_BxT,
        position_ids=(mask_BxT.cumsum(-1) - 1).clamp(min=0),
        use_cache=False,
    ).last_hidden_state
    return hidden_BxTxD


def _compared(
    base: PreTrainedModel, arm: PreTrainedModel, hidden: tuple[Tensor, Tensor], labels_N: Tensor
) -> TextDamage:
    """Sums over a text, a chunk of positions at a time, over its tokens."""
    sums = torch.zeros(3, dtype=torch.float64)
    size = chunk_rows(base)
    for ours, theirs, labels in zip(*(torch.split(part, size) for part in (*hidden, labels_N)), strict=True):
        p, q = (unembedded(*one).float().log_softmax(-1) for one in ((base, ours), (arm, theirs)))
        kl = (p.exp() * (p - q)).sum(-1)
        nll = [-part.gather(-1, labels[:, None])[:, 0] for part in (p, q)]
        sums += torch.stack([part.double().sum().cpu() for part in (kl, *nll)])
    return TextDamage(*(sums / len(labels_N)).tolist())


def as_rows(found: Sequence[TextDamage]) -> Mapping[str, list[float]]:
    """The columns of the comparison, by name."""
    return {name: [getattr(one, name) for one in found] for name in TextDamage._fields}
