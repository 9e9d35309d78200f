"""A task's requests as they reach the model: BOS tokens, truncation, coverage; and where generations end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from transformers import GenerationConfig, PreTrainedTokenizerBase

from harness.core.errors import EvaluationError
from harness.core.results import GenerationFacts, RequestFacts

PROBE = [{"role": "user", "content": "a"}]
SHOWN = 400


class BosRule(NamedTuple):
    """How many BOS tokens a request must have, and how they are counted.

    Attributes:
        name: `exactly_one` counts all of them; `leading_run` counts those at the front, for tokenizers whose
            BOS is also a turn marker (`<|im_start|>`) or that add none.
        bos_id: the BOS token's id; None where the tokenizer has none.
        expected: the count that every request must have.
    """

    name: Literal["exactly_one", "leading_run"]
    bos_id: int | None
    expected: int

    def count(self, ids: Sequence[int]) -> int:
        """BOS tokens of one request by this rule."""
        if self.name == "exactly_one":
            return sum(token == self.bos_id for token in ids)
        return leading_run(ids, self.bos_id)


def leading_run(ids: Sequence[int], token: int | None) -> int:
    """How often `token` is repeated at the front of `ids`."""
    return next((place for place, one in enumerate(ids) if one != token), len(ids))


def bos_rule(tokenizer: PreTrainedTokenizerBase, chat_template: bool) -> BosRule:
    """The rule for a tokenizer, from what its template and its post-processor do to a one-letter prompt."""
    bos = tokenizer.bos_token_id
    ids = plain = list(tokenizer.encode("a"))
    if chat_template:
        text = tokenizer.apply_chat_template(PROBE, tokenize=False, add_generation_prompt=True)
        ids = list(tokenizer.encode(text, add_special_tokens=False))
    turn_marker = bos is not None and bos in ids[leading_run(ids, bos) :]
    if not turn_marker and (bos in ids or bos in plain):
        return BosRule("exactly_one", bos, 1)
    return BosRule("leading_run", bos, min(1, leading_run(ids, bos)))


def turn_end_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token with which the chat template closes an assistant's turn; None if there is none."""
    text = tokenizer.apply_chat_template([*PROBE, {"role": "assistant", "content": "a"}], tokenize=False)
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    found = [token for token in tokenizer.encode(text, add_special_tokens=False) if token in special]
    return found[-1] if found else None


class RequestLog:
    """The requests of one task, from the rendered prompt to the ids that the model got.

    Args:
        task: name for error messages.
        rule: the BOS rule.
        stop_ids: ids that end a generation; empty for a likelihood task.
        instruction: what the arm puts into each prompt after it was rendered.
    """

    def __init__(
        self, task: str, rule: BosRule, stop_ids: Sequence[int] = (), *, instruction: str = ""
    ) -> None:
        self.task, self.rule, self.stop_ids = task, rule, tuple(stop_ids)
        self.instruction = instruction
        self.dropped_system = 0
        self.generation: GenerationFacts | None = None
        self._requests = 0
        self._first = ""
        self._digest, self._ids = hashlib.sha256(), hashlib.sha256()
        self._waiting: dict[tuple[int, ...], str] = {}
        self._counts: set[int] = set()
        self._longest = 0

    def rendered(self, prompts: Iterable[Sequence[str]]) -> None:
        """Note the rendered prompts in lm-eval's order, each with its continuation if there is one."""
        for parts in prompts:
            self._first = self._first or parts[0]
            self._requests += 1
            for part in parts:
                self._digest.update(f"{len(part.encode())}:".encode() + part.encode())

    def tokenised(self, *parts: Sequence[int]) -> None:
        """Note the ids of a request, in lm-eval's order: of its prompt, and of its continuation if any."""
        self._ids.update(json.dumps(parts).encode())

    def expect(self, ids: Sequence[int], prompt: str) -> None:
        """Announce the ids of a row that must reach the model."""
        self._waiting[tuple(ids)] = prompt

    @property
    def prompts_sha256(self) -> str:
        """Digest of the rendered prompts and continuations noted so far."""
        return self._digest.hexdigest()

    @property
    def expected_rows(self) -> int:
        """Rows announced that have not reached the model yet."""
        return len(self._waiting)

    def reached(self, row: Sequence[int]) -> int:
        """Check a right-padded row of a likelihood batch as the model got it.

        Returns:
            its real tokens.

        Raises:
            EvaluationError: no request asked for this row, or its BOS count is wrong.
        """
        key = next((ids for ids in _unpadded(row) if ids in self._waiting), None)
        if key is None:
            raise EvaluationError(
                f"{self.task}: the model received token ids that belong to no request",
                value=list(row[:8]),
                remedy="lm-eval changed how it batches; see harness/evaluation/lm.py",
            )
        return self.check(key, self._waiting.pop(key))

    def check(self, ids: Sequence[int], prompt: str) -> int:
        """Check the ids of one request, without padding.

        Returns:
            their number.

        Raises:
            EvaluationError: its BOS count is wrong; the message shows the prompt.
        """
        count = self.rule.count(ids)
        self._counts.add(count)
        self._longest = max(self._longest, len(ids))
        if count != self.rule.expected:
            raise EvaluationError(
                f"{self.task}: a request reached the model with {count} BOS tokens instead of "
                f"{self.rule.expected} (rule {self.rule.name}, id {self.rule.bos_id}; first {list(ids[:4])})",
                value=repr(prompt[:SHOWN]),
                remedy="template and tokenizer must not both add one; correct the model's tokenizer files",
            )
        return len(ids)

    def too_long(self, tokens: int, window: int, prompt: str) -> EvaluationError:
        """The refusal of a request that lm-eval would truncate without an error."""
        return EvaluationError(
            f"{self.task}: a request has {tokens} tokens and would be truncated to {window}",
            value=repr(prompt[:SHOWN]),
            remedy="lower num_fewshot or max_new_tokens of the task in the profile",
        )

    def facts(self) -> RequestFacts:
        """What is recorded.

        Raises:
            EvaluationError: no request was made, or some never reached the model.
        """
        if not self._counts or self._waiting:
            raise EvaluationError(
                f"{self.task}: {len(self._waiting) or 'all'} requests never reached the model",
                value=repr(next(iter(self._waiting.values()), "")[:SHOWN]),
                remedy="lm-eval must not answer from a cache; see harness/evaluation/lm.py",
            )
        return RequestFacts(
            requests=self._requests,
            bos_min=min(self._counts),
            bos_max=max(self._counts),
            first_prompt=self._first,
            first_prompt_sha256=hashlib.sha256(self._first.encode()).hexdigest(),
            prompts_sha256=self.prompts_sha256,
            ids_sha256=self._ids.hexdigest(),
            longest_tokens=self._longest,
            truncated=0,
            stop_ids=self.stop_ids,
            bos_rule=self.rule.name,
            dropped_system=self.dropped_system,
            generation=self.generation,
            instruction=self.instruction,
        )


def unpadded(ids: Sequence[int]) -> tuple[int, ...]:
    """Ids without trailing zeros."""
    end = next((end for end in range(len(ids), 0, -1) if ids[end - 1] != 0), 0)
    return tuple(ids[:end])


def _unpadded(row: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """What a row may be without its padding, the longest first, as lm-eval orders its requests.

    lm-eval pads a likelihood batch with zeros for every tokenizer and gives no mask; a zero at the end may be
    a token of the request, so only the announced ids tell the two apart.
    """
    for end in range(len(row), len(unpadded(row)) - 1, -1):
        yield tuple(row[:end])


def eos_ids(config: GenerationConfig) -> tuple[int, ...]:
    """The ids that end a generation by a generation config, ascending."""
    found = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return tuple(sorted({int(token) for token in found if token is not None}))


def check_stops(rows: list[list[int]], stops: Sequence[int], pad_id: int, task: str) -> None:
    """Check that a generation ends at its first stop id: only padding may follow.

    Raises:
        EvaluationError: a row goes on after a stop id.
    """
    for row in rows:
        first = next((place for place, token in enumerate(row) if token in stops), len(row))
        after = [token for token in row[first + 1 :] if token != pad_id]
        if after:
            raise EvaluationError(
                f"{task}: a generation continued after a stop token",
                value=f"{row[first]} then {after[:5]}",
                remedy="the generation config's eos_token_id is not honoured: harness/evaluation/guard.py",
            )
