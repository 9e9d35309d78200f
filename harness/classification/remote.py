"""An OpenAI-compatible endpoint as the classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.classification.answer_store import Answers
from harness.classification.asking import Asked, Estimate, Prices, Spent, ask_all, cost, estimate
from harness.classification.endpoint import Endpoint, Question
from harness.core.artefact import digest_json


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
        """Count what is left to ask."""
        return estimate(questions, self.endpoint, answers, self.prices)

    def ask(self, questions: Sequence[Question], answers: Answers) -> Asked:
        """Ask what is not yet answered."""
        return ask_all(questions, self.endpoint, answers, self.concurrency)

    def announced(self, before: Estimate) -> str:
        """Say what is about to be asked."""
        return (
            f"asking {self.endpoint.model} at {self.endpoint.shown}: {before.requests:,} requests "
            f"({before.kept:,} answers kept), about {before.input_tokens:,} input and "
            f"{before.output_tokens:,} output tokens, {_money(before.cost)}"
        )

    def accounted(self, spent: Spent) -> str:
        """Say what was asked."""
        paid = cost(spent.input_tokens, spent.output_tokens, self.prices)
        return (
            f"{spent.requests:,} requests answered, {spent.input_tokens:,} input and {spent.output_tokens:,} "
            f"output tokens as the endpoint counted them, {_money(paid)}"
        )


def _money(amount: float | None) -> str:
    return "cost not known (give --prices)" if amount is None else f"cost {amount:,.2f}"
