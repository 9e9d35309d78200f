"""An OpenAI-compatible endpoint as the classifier."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.classification.answer_store import Answer, Answers
from harness.classification.asking import Asked, Estimate, Spent, Work, kept_and_left
from harness.classification.endpoint import Endpoint, Question, question_key
from harness.core.artefact import digest_json

CHARACTERS_PER_TOKEN = 4
OVERHEAD_TOKENS = 12
"""Of a chat template around two messages."""
ANSWER_TOKENS = 12


class Prices(NamedTuple):
    """Of a million tokens, in any currency."""

    input: float
    output: float


class Remote(NamedTuple):
    """An endpoint, what it costs, and how many questions it gets at a time."""

    endpoint: Endpoint
    prices: Prices | None
    concurrency: int

    @property
    def digest(self) -> str:
        """Of what decides the answers."""
        return digest_json([self.endpoint.shown, self.endpoint.model])

    def estimate(self, questions: Sequence[Question], answers: Answers) -> Estimate:
        """Count what is left to ask, in requests, tokens and money."""
        kept, left = self._kept_and_left(questions, answers)
        characters = sum(len(one.category.system) + len(one.text) for one in left)
        tokens = math.ceil(characters / CHARACTERS_PER_TOKEN) + OVERHEAD_TOKENS * len(left)
        output = ANSWER_TOKENS * len(left)
        return Estimate(len(kept), len(left), tokens, output, self._cost(tokens, output))

    def ask(self, questions: Sequence[Question], answers: Answers) -> Asked:
        """Ask what is not yet answered, `concurrency` questions at a time.

        A question whose answer cannot be used `asking.ATTEMPTS` times, or that the endpoint fails at after
        all the client's repetitions, stays unanswered; the others go on.

        Raises:
            UnavailableError: the endpoint refuses every question, or is gone; answers so far are kept.
        """
        kept, left = self._kept_and_left(questions, answers)
        work = Work(left, self.endpoint, answers)
        if left:
            asyncio.run(work.run(self.concurrency))
        return Asked(kept | work.found, work.unanswered, work.spent)

    def _kept_and_left(
        self, questions: Sequence[Question], answers: Answers
    ) -> tuple[dict[Question, Answer], list[Question]]:
        return kept_and_left(questions, lambda one: question_key(one, self.endpoint), answers)

    def _cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Tokens times prices; None without prices."""
        prices = self.prices
        return None if prices is None else (input_tokens * prices.input + output_tokens * prices.output) / 1e6

    def announced(self, before: Estimate) -> str:
        """Say what is about to be asked."""
        return (
            f"asking {self.endpoint.model} at {self.endpoint.shown}: {before.requests:,} requests "
            f"({before.kept:,} answers kept), about {before.input_tokens:,} input and "
            f"{before.output_tokens:,} output tokens, {_money(before.cost)}"
        )

    def accounted(self, spent: Spent) -> str:
        """Say what was asked."""
        paid = self._cost(spent.input_tokens, spent.output_tokens)
        return (
            f"{spent.requests:,} requests answered, {spent.input_tokens:,} input and {spent.output_tokens:,} "
            f"output tokens as the endpoint counted them, {_money(paid)}"
        )


def _money(amount: float | None) -> str:
    return "cost not known (give --prices)" if amount is None else f"cost {amount:,.2f}"
