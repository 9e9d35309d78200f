"""lm-eval's Hugging Face model with every request checked where it enters the model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from harness.core.errors import EvaluationError
from harness.evaluation.answers import answers_of, hidden_states
from harness.evaluation.attention import blocked_eager
from harness.evaluation.greedy import AnsweringLM
from harness.evaluation.guard import RequestLog, bos_rule, check_stops, eos_ids, turn_end_id
from harness.evaluation.questions import (
    Packed,
    Request,
    lead_alone,
    on_device,
    pack,
    questions_of,
    requests_of,
    row_as_laid,
)
from harness.evaluation.requests import Ids, RequestStore
from harness.models.instruction import Instruction
from harness.training.shared_prompt import batches_of, check_backend


class GuardedLM(AnsweringLM):
    """An `HFLM` that scores as lm-eval does and watches the ids that the model gets.

    A pre-forward hook on the decoder sees each batch. A row of a likelihood batch must be one that lm-eval
    asked for; a row of a generation is read through its attention mask. Nothing is tokenised a second time,
    nothing is truncated.

    Args:
        model: the arm, ready for evaluation.
        tokenizer: of the base model.
        batch_size: fixed; running out of memory is an error.
        chat_template: whether prompts go through it; decides the BOS rule and which stop ids are needed.
        share_prefix: compute what the choices of a question begin with once, and what all questions of a
            batch begin with once. The sums are the same up to rounding; without it every number is lm-eval's
            to the last bit.
        store: where the requests that another arm tokenised are read from, or kept for it.
        instruction: put into every prompt, after what the log notes as rendered; such an arm's tokens are its
            own and are not shared with the others.

    Raises:
        ProfileError: prefixes are to be shared under an attention that takes no mask of any shape.

    Attributes:
        tokens: real tokens that went through the model so far, prompts and generated ones.
        stop_ids: ids that end a generation.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int,
        chat_template: bool,
        share_prefix: bool = False,
        store: RequestStore | None = None,
        instruction: Instruction | None = None,
    ) -> None:
        super().__init__(
            pretrained=model,
            backend="causal",
            tokenizer=tokenizer,
            truncation=False,
            logits_cache=True,
            max_length=int(model.config.max_position_embeddings),
            softmax_dtype="float32",
            mixed_precision_dtype=None,
            batch_size=batch_size,
            add_bos_token=True,
            prefix_token_id=None,
            think_end_token=None,
            enable_thinking=None,
        )
        self.rule = bos_rule(tokenizer, chat_template)
        self.stop_ids = eos_ids(model.generation_config)
        self.turn_end = turn_end_id(tokenizer) if chat_template else None
        self.share_prefix = share_prefix
        if share_prefix:
            check_backend(model, "evaluation.share_prefix")
        self.store = None if instruction else store
        self.instruction = instruction
        self._known: dict[tuple[str, str], Ids] = {}
        self.tokens = 0
        self.log = self._new_log("no task")
        self._on_forward: Callable[[list[list[int]], list[list[int]] | None], None] | None = None
        self._lead: tuple[int, ...] = ()
        self._contexts: list[str] = []
        self._padded = False
        self._bar: tqdm[Any] = tqdm(disable=True)

    @contextmanager
    def watching(self, task: str, *, bar: bool = True) -> Iterator[RequestLog]:
        """Score one task inside: its requests go into the log that this gives, its progress to one bar."""
        self.log = self._new_log(task)
        handle = self.model.get_decoder().register_forward_pre_hook(self._pre_forward, with_kwargs=True)
        try:
            with tqdm(desc=f"  {task}", unit="row", leave=False, disable=None if bar else True) as self._bar:
                yield self.log
        finally:
            handle.remove()
            self._on_forward = None

    def _new_log(self, task: str) -> RequestLog:
        return RequestLog(task, self.rule, instruction=self.instruction.text if self.instruction else "")

    def _instructed(self, requests: list[Any]) -> list[Any]:
        """The requests with the arm's instruction in their prompts."""
        if self.instruction is None:
            return requests
        put = self.instruction.into_text
        return [dataclasses.replace(one, arguments=(put(one.args[0]), *one.args[1:])) for one in requests]

    def _pre_forward(self, _: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._on_forward is not None:
            ids: Tensor = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
            mask = kwargs.get("attention_mask")
            self._on_forward(ids.tolist(), mask.tolist() if isinstance(mask, Tensor) else None)

    # likelihood

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        """As in lm-eval, in one progress bar; what another arm tokenised is not tokenised again."""
        texts = [request.args for request in requests]
        self.log.rendered(texts)
        stored = self.store.read(self.log.task, self.log.prompts_sha256) if self.store else None
        self._known = dict(zip(texts, stored, strict=True)) if stored else {}
        result: list[tuple[float, bool]] = super().loglikelihood(
            self._instructed(requests), disable_tqdm=True
        )
        return result

    def _encode_pair(self, context: str, continuation: str) -> Ids:
        known = self._known.get((context, continuation))
        ids: Ids = known if known is not None else super()._encode_pair(context, continuation)
        return ids

    def _loglikelihood_tokens(self, requests: list[Any], **_: Any) -> Any:
        if self.store and not self._known:
            self.store.write(self.log.task, self.log.prompts_sha256, [(one[1], one[2]) for one in requests])
        for (context, continuation), context_ids, continuation_ids in requests:
            row = (context_ids + continuation_ids)[:-1]
            if len(row) > self.max_length:
                raise self.log.too_long(len(row), self.max_length, context + continuation)
            self.log.expect(row, context + continuation)
            self.log.tokenised(context_ids, continuation_ids)
        self._bar.reset(total=self.log.expected_rows)
        if self.share_prefix:
            return self._by_question(requests_of(requests))
        self._on_forward = self._likelihood_rows
        return super()._loglikelihood_tokens(requests, disable_tqdm=True)

    def _likelihood_rows(self, ids_BxT: list[list[int]], _mask_BxT: list[list[int]] | None) -> None:
        self.tokens += sum(self.log.reached(row) for row in ids_BxT)
        self._bar.update(len(ids_BxT))

    @torch.no_grad()
    def _by_question(self, requests: list[Request]) -> list[tuple[float, bool]]:
        """(log-probability, whether greedy) of each request, in its order."""
        answers: dict[int, tuple[float, bool]] = {}
        with blocked_eager(self.model):
            questions = questions_of(requests, self.batch_size)
            for batch in batches_of(questions, lambda one: len(one.rows), self.batch_size):
                packed = pack(batch)
                hidden_BxTxD = self._hidden(packed)
                for line, question in enumerate(batch):
                    answers |= answers_of(self.model, question, line, packed, hidden_BxTxD[line])
        return [answers[index] for index in range(len(requests))]

    def _hidden(self, packed: Packed) -> Tensor:
        """(B, T, D) final hidden states of the packed rows; what all begin with goes first, and once."""
        cache, packed = None, on_device(packed, self.device)
        if packed.lead:
            cache = DynamicCache()  # without a config every block keeps all positions, sliding ones too
            self._on_forward = self._lead_row
            hidden_states(self.model, lead_alone(packed), cache)
            cache.batch_repeat_interleave(len(packed.ids_BxT))
            packed = packed._replace(lead=self._lead)
        self._on_forward = functools.partial(self._packed_rows, packed)
        return hidden_states(self.model, packed, cache)

    def _lead_row(self, ids_BxT: list[list[int]], _: Any) -> None:
        (lead,) = ids_BxT
        self._lead = tuple(lead)

    def _packed_rows(self, packed: Packed, ids_BxT: list[list[int]], _: Any) -> None:
        for line, row in packed.places:
            self.tokens += self.log.reached(row_as_laid(packed, ids_BxT, row, line))
        self._bar.update(len(packed.places))

    # generation

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        """As in lm-eval, in one progress bar.

        Raises:
            EvaluationError: the model's generation config does not stop at the end of a turn.
        """
        self.log.rendered(request.args[:1] for request in requests)
        self.log.stop_ids = self.stop_ids
        if not self.stop_ids or (self.turn_end is not None and self.turn_end not in self.stop_ids):
            raise EvaluationError(
                f"{self.log.task}: generation would run past the end of the turn (id {self.turn_end})",
                value=f"eos_token_id of the generation config: {list(self.stop_ids)}",
                remedy="add that id to eos_token_id in the model's generation_config.json",
            )
        self._bar.reset(total=len(requests))
        return self.answers(self._instructed(requests))

    def entering(self, prompts: list[str]) -> None:
        """These prompts go into the model next, padded on the left."""
        self._contexts, self._on_forward = prompts, self._generation_rows

    def answered(self, rows: list[list[int]]) -> None:
        """Count what was generated."""
        self.tokens += sum(map(len, rows))
        self._bar.update(len(rows))

    def tok_batch_encode(
        self,
        strings: Sequence[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As in lm-eval, but a prompt that would be truncated is an error.

        Raises:
            EvaluationError: a prompt leaves no room for the generation.
        """
        self._contexts = list(strings)
        ids_BxT, mask_BxT = super().tok_batch_encode(self._contexts, padding_side, None, truncation)
        self._padded = not bool(mask_BxT.all())
        if left_truncate_len is not None and ids_BxT.shape[1] > left_truncate_len:
            longest = int(mask_BxT.sum(dim=1).argmax())
            raise self.log.too_long(ids_BxT.shape[1], left_truncate_len, self._contexts[longest])
        return ids_BxT, mask_BxT

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any) -> Tensor:
        self._on_forward = self._generation_rows
        output: Tensor = super()._model_generate(context, max_length, stop, **kwargs)
        if self._contexts:
            raise EvaluationError(
                f"{self.log.task}: the prompts of a batch did not reach the model",
                value=repr(self._contexts[0][:200]),
                remedy="transformers changed how it generates; see harness/evaluation/lm.py",
            )
        pad = self.tokenizer.pad_token_id
        new = output[:, context.shape[1] :].tolist()
        check_stops(new, self.stop_ids, pad, self.log.task)
        self.answered([[token for token in row if token != pad] for row in new])
        return output

    def _generation_rows(self, ids_BxT: list[list[int]], mask_BxT: list[list[int]] | None) -> None:
        """Only a batch's first forward pass carries the prompts; the later ones carry one new token a row."""
        self._on_forward = None
        if mask_BxT is None and not self._padded:  # transformers drops a mask of ones
            mask_BxT = [[1] * len(row) for row in ids_BxT]
        if mask_BxT is None or len(ids_BxT) != len(self._contexts):
            raise EvaluationError(
                f"{self.log.task}: a batch reached the model without its attention mask",
                value=f"{len(ids_BxT)} rows",
                remedy="left-padded prompts need it; see harness/evaluation/lm.py",
            )
        for ids, mask, prompt in zip(ids_BxT, mask_BxT, self._contexts, strict=True):
            real = [token for token, is_real in zip(ids, mask, strict=True) if is_real]
            self.tokens += self.log.check(real, prompt)
            self.log.tokenised(real)
        self._contexts = []

    # chat template

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """As in lm-eval, which drops a system turn that the template refuses; that is counted here."""
        text: str = super().apply_chat_template(chat_history, add_generation_prompt)
        system = [turn["content"] for turn in chat_history if turn["role"] == "system"]
        self.log.dropped_system += any(content.strip() not in text for content in system)
        return text
