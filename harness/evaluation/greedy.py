"""The answers of a generation task: the harness's loop, held to lm-eval's, and lm-eval's where it decides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from harness.core.errors import EvaluationError
from harness.core.results import GenerationFacts
from harness.evaluation.decode import Ends, Generated, greedy
from harness.evaluation.generation import (
    NEAR_TIE,
    in_force,
    plain_generation,
    rows_at_once,
    stop_finder,
    why_lm_evals_loop,
)
from harness.evaluation.guard import BosRule, RequestLog


class AnsweringLM(HFLM):  # type: ignore[misc]
    """An `HFLM` whose greedy answers come from the harness's loop; the log records how they were made.

    Attributes:
        log: of the task under way.
        rule: how BOS tokens are counted.
        stop_ids: ids that end an answer.
        share_prefix: whether the harness's loop may generate.
        batch_size_per_gpu: lm-eval's batch size.
    """

    log: RequestLog
    rule: BosRule
    stop_ids: tuple[int, ...]
    share_prefix: bool
    batch_size_per_gpu: int

    def answers(self, requests: Sequence[Any]) -> list[str]:
        """The answers in the order of the requests.

        Raises:
            EvaluationError: requests of one task differ in their settings, or a logit is not finite.
        """
        wanted, *others = {json.dumps(request.args[1], sort_keys=True) for request in requests}
        if others:
            raise EvaluationError(
                f"{self.log.task}: its questions ask for unlike generations",
                value=f"{wanted} and {others[0]}",
                remedy="give the task's file one generation_kwargs for all questions",
            )
        asked = dict(normalize_gen_kwargs(json.loads(wanted), self.max_gen_toks))
        end = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(asked["until"], eos=end)
        reason = "evaluation.share_prefix is false"
        if self.share_prefix:
            reason = why_lm_evals_loop(self.model, asked)
        with plain_generation(self.model) as ignored:
            self.log.generation = GenerationFacts(
                loop="lm-eval" if reason else "harness",
                reason=reason,
                eos_ids=self.stop_ids,
                max_new_tokens=asked["max_gen_toks"],
                until=tuple(until),
                settings=in_force(asked),
                ignored=ignored,
                near_tie=None if reason else NEAR_TIE,
            )
            if reason:
                return self._by_lm_eval(requests, self.batch_size)
            return self._by_harness(requests, until, asked["max_gen_toks"])

    def _by_harness(self, requests: Sequence[Any], until: list[str], most_new: int) -> list[str]:
        found = self._generated([request.args[0] for request in requests], until, most_new)
        texts = [postprocess_generated_text(self.tok_decode(one.tokens), until, None) for one in found]
        near = [place for place, one in enumerate(found) if one.gap < NEAR_TIE]
        if near:
            with self._unlogged():
                again = self._by_lm_eval([requests[place] for place in near], 1)
            for place, text in zip(near, again, strict=True):
                texts[place] = text
        facts = self.log.generation
        self.log.generation = facts and facts.model_copy(update={"near_ties": len(near)})
        return texts

    def _by_lm_eval(self, requests: Sequence[Any], batch_size: int) -> list[str]:
        before, self.batch_size_per_gpu = self.batch_size_per_gpu, batch_size
        try:
            found: list[str] = super().generate_until(list(requests), disable_tqdm=True)
        finally:
            self.batch_size_per_gpu = before
        return found

    def _generated(self, prompts: list[str], until: list[str], most_new: int) -> list[Generated]:
        """Prompts in lm-eval's order, the longest first, as many at once as the cache holds."""
        lengths = [len(self.tok_encode(prompt)) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda place: (-lengths[place], prompts[place]))
        most = rows_at_once(self.model, max(lengths) + most_new, self.batch_size)
        ends = Ends(self.stop_ids, most_new, stop_finder(self.tokenizer, until))
        found: dict[int, Generated] = {}
        for start in range(0, len(order), most):
            batch = order[start : start + most]
            texts = [prompts[place] for place in batch]
            encoded = self.tok_batch_encode(texts, left_truncate_len=self.max_length - most_new)
            ids, mask = (tensor.to(self.device) for tensor in encoded)
            answers = greedy(self.model, ids, mask, ends, self.entering, texts)
            found |= dict(zip(batch, answers, strict=True))
            self.answered([one.tokens for one in answers])
        self._check(found, prompts)
        return [found[place] for place in range(len(prompts))]

    def _check(self, found: dict[int, Generated], prompts: list[str]) -> None:
        """Refuse an answer whose logits are not finite."""
        for place, one in sorted(found.items()):
            if one.gap != one.gap:
                raise EvaluationError(
                    f"{self.log.task}: a logit of the answer to item {place} is not finite",
                    value=repr(prompts[place][-200:]),
                    remedy="look at the arm's weights and at model.dtype",
                )

    @contextmanager
    def _unlogged(self) -> Iterator[None]:
        """Inside, prompts that are in the log already go through the model once more."""
        log, self.log = self.log, RequestLog(self.log.task, self.rule, self.stop_ids)
        try:
            yield
        finally:
            self.log = log
