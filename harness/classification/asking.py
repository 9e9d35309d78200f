"""Many questions to an endpoint: counted first, asked in parallel, kept as they arrive, resumable."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.classification.answer_store import Answer, Answers
from harness.classification.endpoint import (
    FATAL,
    Endpoint,
    Question,
    Refused,
    ask,
    question_key,
    unavailable,
)
from harness.core.errors import UnavailableError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CHARACTERS_PER_TOKEN = 4
OVERHEAD_TOKENS = 12
"""Of a chat template around two messages."""
ANSWER_TOKENS = 12
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

    requests: int
    input_tokens: int
    output_tokens: int


class Asked(NamedTuple):
    """The answers by question, and why the others have none."""

    answers: dict[Question, Answer]
    unanswered: dict[Question, str]
    spent: Spent


class Prices(NamedTuple):
    """Of a million tokens, in any currency."""

    input: float
    output: float


"""Of a million input tokens and of a million output tokens."""


def estimate(
    questions: Iterable[Question], endpoint: Endpoint, answers: Answers, prices: Prices | None = None
) -> Estimate:
    """Count what is left to ask, in requests, tokens and money."""
    every = list(dict.fromkeys(questions))
    left = [one for one in every if answers.get(question_key(one, endpoint)) is None]
    characters = sum(len(one.category.system) + len(one.text) for one in left)
    tokens = math.ceil(characters / CHARACTERS_PER_TOKEN) + OVERHEAD_TOKENS * len(left)
    output = ANSWER_TOKENS * len(left)
    return Estimate(len(every) - len(left), len(left), tokens, output, cost(tokens, output, prices))


def cost(input_tokens: int, output_tokens: int, prices: Prices | None) -> float | None:
    """Tokens times prices; None without prices."""
    return None if prices is None else (input_tokens * prices.input + output_tokens * prices.output) / 1e6


def ask_all(questions: Sequence[Question], endpoint: Endpoint, answers: Answers, concurrency: int) -> Asked:
    """Ask what is not yet answered, `concurrency` questions at a time.

    A question whose answer cannot be used `ATTEMPTS` times, or that the endpoint fails at after all the
    client's repetitions, stays unanswered; the others go on.

    Raises:
        UnavailableError: the endpoint refuses every question, or is gone; answers so far are kept.
    """
    every = list(dict.fromkeys(questions))
    found = {one: answers.get(question_key(one, endpoint)) for one in every}
    left = [one for one, answer in found.items() if answer is None]
    work = Work(left, endpoint, answers)
    if left:
        asyncio.run(work.run(concurrency))
    found |= dict(work.found)
    return Asked(
        {one: answer for one, answer in found.items() if answer is not None},
        work.unanswered,
        Spent(work.requests, work.input_tokens, work.output_tokens),
    )


class Work:
    """The questions that are left, and what has become of them."""

    def __init__(self, left: list[Question], endpoint: Endpoint, answers: Answers) -> None:
        self.left, self.endpoint, self.answers = left, endpoint, answers
        self.found: dict[Question, Answer] = {}
        self.unanswered: dict[Question, str] = {}
        self.requests = self.input_tokens = self.output_tokens = 0
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
                self._count(refused.input_tokens, refused.output_tokens)
                self.unanswered[question] = str(refused)
            except APIStatusError as error:
                if error.status_code in FATAL:
                    raise unavailable(error, self.endpoint) from None
                return self._failed(question, f"HTTP {error.status_code}")
            except OpenAIError as error:
                return self._failed(question, type(error).__name__)
            else:
                self._count(answer.input_tokens, answer.output_tokens)
                self.answers.add(answer)
                self.found[question] = answer
                self.unanswered.pop(question, None)
                self.in_a_row = 0
                return None
        return None

    def _count(self, input_tokens: int, output_tokens: int) -> None:
        self.requests += 1
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

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
