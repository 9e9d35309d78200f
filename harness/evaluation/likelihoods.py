"""How likely a model finds given answers to given prompts, outside of a task: for labels of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from harness.evaluation.benchmark import quiet
from harness.evaluation.guard import BosRule
from harness.evaluation.lm import GuardedLM
from harness.training.shared_prompt import BACKENDS

Pair = tuple[tuple[str, str], list[int], list[int]]
"""Prompt and answer as texts, and the token ids of each."""
ANY_BOS = BosRule("leading_run", None, 0)
"""The ids are the chat template's, and a text may spell a special token: nothing to count."""


def likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: int
) -> Callable[[Sequence[Pair]], list[float]]:
    """A function from pairs to the summed log-probability of each answer's tokens, in nats.

    It is lm-eval's own `_loglikelihood_tokens`, with what the pairs of a batch begin with computed once
    where the attention implementation allows it. A pair that the context does not hold is refused.

    Args:
        model, tokenizer: with a chat template.
        rows: of a batch; a row is a prompt with an answer.
    """
    with quiet():
        lm = GuardedLM(
            model,
            tokenizer,
            batch_size=rows,
            chat_template=True,
            share_prefix=model.config._attn_implementation in BACKENDS,
        )
    lm.rule = ANY_BOS

    def summed(pairs: Sequence[Pair]) -> list[float]:
        with lm.watching("labels", bar=False):
            return [found for found, _ in lm._loglikelihood_tokens(list(pairs))]

    return summed
