"""One question to an OpenAI-compatible endpoint: structured output, temperature 0, one of two labels."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from harness.classification.answer_store import Answer
from harness.classification.categories import Category
from harness.core.artefact import digest_json
from harness.core.errors import MissingInputError, UnavailableError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

VARIABLES = {"base_url": "OPENAI_BASE_URL", "model": "OPENAI_MODEL", "key": "OPENAI_API_KEY"}
FATAL = (400, 401, 402, 403, 404, 405, 422)
"""Answers of a server that will not change its mind: the wrong key, model, address or kind of request."""


class Endpoint(NamedTuple):
    """Where questions go. `key` is a secret: nothing shows it, and its `repr` does not either.

    Attributes:
        timeout_s: for one answer.
        retries: how often the client asks again after 429, 5xx, a time-out or a broken connection; it waits
            as long as the server's Retry-After says, and longer each time where it says nothing.
        max_tokens: of an answer.
    """

    base_url: str
    model: str
    key: str
    timeout_s: float = 60.0
    retries: int = 5
    max_tokens: int = 64

    def __repr__(self) -> str:
        return f"Endpoint({self.shown!r}, {self.model!r})"

    @property
    def shown(self) -> str:
        """The address without a user, a password or a query in it."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def client(self) -> AsyncOpenAI:
        """The client; to be closed by who asks for it."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            base_url=self.base_url, api_key=self.key, timeout=self.timeout_s, max_retries=self.retries
        )


class Question(NamedTuple):
    """Does this explanation belong to the category?"""

    category: Category
    text: str


class Refused(Exception):
    """An answer that cannot be used: no JSON, no label, a label that is not allowed, cut off.

    Attributes:
        input_tokens, output_tokens: what it cost all the same.
    """

    def __init__(self, cause: str, input_tokens: int = 0, output_tokens: int = 0) -> None:
        super().__init__(cause)
        self.input_tokens, self.output_tokens = input_tokens, output_tokens


def endpoint_from(environment: Mapping[str, str] = os.environ, **options: Any) -> Endpoint:
    """The endpoint that the environment names.

    Raises:
        MissingInputError: a variable is not set; the message names all that are missing.
    """
    given = {name: environment.get(variable, "").strip() for name, variable in VARIABLES.items()}
    missing = [VARIABLES[name] for name, value in given.items() if not value]
    if missing:
        raise MissingInputError(
            "no endpoint is set in the environment",
            value=", ".join(missing),
            remedy="set OPENAI_BASE_URL (such as http://127.0.0.1:8000/v1), OPENAI_MODEL and OPENAI_API_KEY "
            "(any word for a server without keys), or classify offline with --by nearest",
        )
    return Endpoint(given["base_url"], given["model"], given["key"], **options)


def request_of(question: Question, endpoint: Endpoint) -> dict[str, Any]:
    """The request's body: the printed system prompt, the explanation as it is, a schema of one label."""
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(question.category.answers)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return {
        "model": endpoint.model,
        "temperature": 0,
        "max_tokens": endpoint.max_tokens,
        "messages": [
            {"role": "system", "content": question.category.system},
            {"role": "user", "content": question.text},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "classification", "strict": True, "schema": schema},
        },
    }


def question_key(question: Question, endpoint: Endpoint) -> str:
    """Digest of everything that can change the answer: address, model, prompts, schema, temperature."""
    return digest_json([endpoint.shown, request_of(question, endpoint)])


async def ask(client: AsyncOpenAI, question: Question, endpoint: Endpoint) -> Answer:
    """Ask once; the client itself repeats what a server or a network failed at.

    Raises:
        Refused: the endpoint answered, and not with an allowed label.
        openai.OpenAIError: it did not answer, also after the repetitions.
    """
    from openai import APIResponseValidationError

    try:
        found = await client.chat.completions.create(**request_of(question, endpoint))
    except (APIResponseValidationError, ValueError) as error:  # json.JSONDecodeError is a ValueError
        raise Refused("the body of the response is not JSON") from error
    usage = getattr(found, "usage", None)
    spent = tuple(int(getattr(usage, f"{kind}_tokens", 0) or 0) for kind in ("prompt", "completion"))
    choices = getattr(found, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise Refused("the response has no choices", *spent)
    if choices[0].finish_reason == "length":
        raise Refused(f"the answer was cut off after {endpoint.max_tokens} tokens", *spent)
    label = _label(choices[0].message.content, question.category.answers, spent)
    return Answer(
        key=question_key(question, endpoint),
        label=label,
        model=str(getattr(found, "model", "") or endpoint.model),
        input_tokens=spent[0],
        output_tokens=spent[1],
    )


def _label(content: str | None, allowed: tuple[str, ...], spent: tuple[int, ...]) -> str:
    try:
        label = json.loads(content or "")["label"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("the answer is not JSON with a label", *spent) from error
    if label not in allowed:
        raise Refused(f"the label is not allowed: {str(label)[:40]!r}", *spent)
    return str(label)


def unavailable(error: Exception, endpoint: Endpoint) -> UnavailableError:
    """A failure that asking again will not mend; what the server said is left out, it may quote the key."""
    status = getattr(error, "status_code", None)
    said = {
        401: "the key is not accepted",
        402: "the account cannot pay",
        403: "the key may not use this model",
        404: "there is no such model or address",
    }.get(status or 0, "it does not take this kind of request" if status else type(error).__name__)
    return UnavailableError(
        f"the endpoint refuses ({f'HTTP {status}: ' if status else ''}{said})",
        value=f"{endpoint.shown}, model {endpoint.model}",
        remedy=f"correct {', '.join(VARIABLES.values())}; the endpoint must know response_format "
        "json_schema; answers so far are kept, and the same command goes on",
    )
