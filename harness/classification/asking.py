"""Many questions: what is kept and what is left, and asking an endpoint for many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from harness.classification.answer_store import Answer, Answers
from harness.classification.endpoint import FATAL, Endpoint, Question, Refused, ask, unavailable
from harness.core.errors import UnavailableError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ATTEMPTS = 3
"""How often a question is asked whose answer cannot be used."""
GIVE_UP_AFTER = 10
"""Questions in a row without an answer after which the endpoint counts as gone."""


class Estimate(NamedTuple):
    """What is about to be asked.

    Attributes:
        kept: questions that were answered before; requests: those that remain, each text once.
        input_tokens, output_tokens: about; a token is taken as four characters.
        cost: in the currency of the prices; None without prices.
    """

    kept: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class Spent(NamedTuple):
    """What was asked: requests that were answered, and tokens as the endpoint counted them."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, input_tokens: int, output_tokens: int) -> Spent:
        """With one more request that was answered."""
        return Spent(self.requests + 1, self.input_tokens + input_tokens, self.output_tokens + output_tokens)


class Asked(NamedTuple):
    """The answers by question, and why the others have none."""

    answers: dict[Question, Answer]
    unanswered: dict[Question, str]
    spent: Spent


def kept_and_left(
    questions: Iterable[Question], key: Callable[[Question], str], answers: Answers
) -> tuple[dict[Question, Answer], list[Question]]:
    """The answers that are there by the questions' keys, and the questions without one, each once."""
    found = {one: answers.get(key(one)) for one in questions}
    kept = {one: answer for one, answer in found.items() if answer is not None}
    return kept, [one for one in found if one not in kept]


class Work:
    """The questions that are left, and what has become of them."""

    def __init__(self, left: list[Question], endpoint: Endpoint, answers: Answers) -> None:
        self.left, self.endpoint, self.answers = left, endpoint, answers
        self.found: dict[Question, Answer] = {}
        self.unanswered: dict[Question, str] = {}
        self.spent = Spent()
        self.in_a_row = 0

    async def run(self, concurrency: int) -> None:
        from tqdm import tqdm

        queue = iter(self.left)
        async with self.endpoint.client() as client:
            with tqdm(total=len(self.left), desc="  asking", leave=False, disable=None) as bar:
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(concurrency, len(self.left))):
                            group.create_task(self._worker(client, queue, bar))
                except* UnavailableError as several:
                    raise several.exceptions[0] from None

    async def _worker(self, client: AsyncOpenAI, queue: Iterable[Question], bar: tqdm[None]) -> None:  # type: ignore[name-defined]  # noqa: F821
        for question in queue:
            await self._one(client, question)
            bar.update()

    async def _one(self, client: AsyncOpenAI, question: Question) -> None:
        from openai import APIStatusError, OpenAIError

        for _ in range(ATTEMPTS):
            try:
                answer = await ask(client, question, self.endpoint)
            except Refused as refused:
                self.spent = self.spent.plus(refused.input_tokens, refused.output_tokens)
                self.unanswered[question] = str(refused)
            except APIStatusError as error:
                if error.status_code in FATAL:
                    raise unavailable(error, self.endpoint) from None
                return self._failed(question, f"HTTP {error.status_code}")
            except OpenAIError as error:
                return self._failed(question, type(error).__name__)
            else:
                self.spent = self.spent.plus(answer.input_tokens, answer.output_tokens)
                self.answers.add(answer)
                self.found[question] = answer
                self.unanswered.pop(question, None)
                self.in_a_row = 0
                return None
        return None

    def _failed(self, question: Question, why: str) -> None:
        self.unanswered[question] = f"no answer after {self.endpoint.retries + 1} tries ({why})"
        self.in_a_row += 1
        if self.in_a_row >= GIVE_UP_AFTER:
            raise UnavailableError(
                f"the endpoint left {GIVE_UP_AFTER} questions in a row without an answer ({why})",
                value=f"{self.endpoint.shown}, model {self.endpoint.model}",
                remedy="answers so far are kept: run the same command when it answers again, with a smaller "
                "--concurrency if it says 429",
            )
