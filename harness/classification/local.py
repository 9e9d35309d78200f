"""A language model on this machine as the classifier: the likelier of the allowed labels is the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.classification.answer_store import Answer, Answers
from harness.classification.asking import Asked, Estimate, Spent, kept_and_left
from harness.classification.categories import Category
from harness.classification.endpoint import Question
from harness.core.artefact import digest_json
from harness.core.errors import DamagedFileError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


Ids = list[int]
Likelihoods = Callable[[Sequence[tuple[tuple[str, str], Ids, Ids]]], Sequence[float]]
"""From pairs of prompt and label, texts and ids, to the summed log-probability of each label's tokens."""
FORM = 1
"""Raised when prompts or scores come about otherwise; every question is then asked again."""


class Asking(NamedTuple):
    """A question as tokens."""

    question: Question
    prompt: Ids


@dataclass(frozen=True, eq=False)
class Local:
    """Labels by likelihood, so that none but the allowed ones can come out (docs/decisions/0075).

    Args:
        model, tokenizer: with a chat template.
        likelihoods: of labels after prompts by that model.
        name: for tables.
        digest: of the model's files.
        batch: questions at a time.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    likelihoods: Likelihoods
    name: str
    digest: str
    batch: int

    def estimate(self, questions: Sequence[Question], answers: Answers) -> Estimate:
        """Count what is left, in the model's own tokens; nothing is paid for."""
        kept, left = self._kept_and_left(questions, answers)
        taken = sum(len(one.prompt) for one in left)
        given = sum(len(ids) for one in left for ids in self.label_ids(one.question.category))
        return Estimate(len(kept), len(left), taken, given, 0.0)

    def announced(self, before: Estimate) -> str:
        """Say what is about to be computed."""
        size = self.model.num_parameters()
        return (
            f"scoring with {self.name} on {self.model.device}: {before.requests:,} questions "
            f"({before.kept:,} answers kept), {before.input_tokens:,} prompt tokens (what they begin with is "
            f"computed once), {before.output_tokens:,} label tokens, {size:,} parameters, cost 0"
        )

    def accounted(self, spent: Spent) -> str:
        """Say what was computed."""
        return (
            f"{spent.requests:,} questions answered, {spent.input_tokens:,} prompt tokens and "
            f"{spent.output_tokens:,} label tokens, cost 0"
        )

    def ask(self, questions: Sequence[Question], answers: Answers) -> Asked:
        """Score what is not yet answered, a batch at a time; each batch's answers are kept at once.

        A prompt that is longer than the model's context stays unanswered; nothing is truncated.
        """
        found, left = self._kept_and_left(questions, answers)
        fitting, unanswered = self._fitting(left)
        spent = Spent()
        for one, answer in self._scored(fitting):
            answers.add(answer)
            found[one] = answer
            spent = spent.plus(answer.input_tokens, answer.output_tokens)
        return Asked(found, unanswered, spent)

    def _kept_and_left(
        self, questions: Sequence[Question], answers: Answers
    ) -> tuple[dict[Question, Answer], list[Asking]]:
        kept, left = kept_and_left(questions, self.key, answers)
        return kept, [Asking(one, self.prompt(one)) for one in left]

    def _fitting(self, left: Sequence[Asking]) -> tuple[list[Asking], dict[Question, str]]:
        fits, not_answered = [], {}
        most = int(self.model.config.max_position_embeddings)
        for one in left:
            length = len(one.prompt) + max(map(len, self.label_ids(one.question.category)))
            if length > most:
                not_answered[one.question] = f"{length} tokens, the model's context has {most}"
            else:
                fits.append(one)
        return fits, not_answered

    def _scored(self, left: Sequence[Asking]) -> Iterator[tuple[Question, Answer]]:
        from tqdm import tqdm

        with tqdm(total=len(left), desc="  scoring", leave=False, disable=None) as bar:
            for category in dict.fromkeys(one.question.category for one in left):
                mine = [one for one in left if one.question.category == category]
                mine.sort(key=lambda one: len(one.prompt))
                for start in range(0, len(mine), self.batch):
                    batch = mine[start : start + self.batch]
                    for one, sums in zip(batch, self.sums(category, batch), strict=True):
                        yield one.question, self._answer(one, sums)
                    bar.update(len(batch))

    def sums(self, category: Category, batch: Sequence[Asking]) -> list[Sequence[float]]:
        """Summed log-probability of each label's tokens after each question, in nats."""
        labels = list(zip(category.answers, self.label_ids(category), strict=True))
        pairs = [
            ((self.text(one.question), label), one.prompt, ids) for one in batch for label, ids in labels
        ]
        found = self.likelihoods(pairs)
        return [found[start : start + len(labels)] for start in range(0, len(found), len(labels))]

    def _answer(self, one: Asking, sums: Sequence[float]) -> Answer:
        category = one.question.category
        best = max(range(len(sums)), key=lambda i: sums[i])
        return Answer(
            key=self.key(one.question),
            label=category.answers[best],
            model=self.name,
            input_tokens=len(one.prompt),
            output_tokens=sum(map(len, self.label_ids(category))),
            probability=1 / sum(math.exp(other - sums[best]) for other in sums),
        )

    def key(self, question: Question) -> str:
        """Digest of everything that can change the answer: model, prompts, labels, how they are scored."""
        return digest_json([FORM, self.digest, self.text(question), list(question.category.answers)])

    def text(self, question: Question) -> str:
        """The prompt as the chat template renders it.

        A template that refuses a system turn, or drops it, gets the system prompt at the head of the user's.

        Raises:
            DamagedFileError: the explanation is not in what the template renders.
        """
        system, text = question.category.system, question.text
        rendered = self._render([{"role": "system", "content": system}, {"role": "user", "content": text}])
        if rendered is None or system not in rendered:
            rendered = self._render([{"role": "user", "content": f"{system}\n\n{text}"}])
        if rendered is None or text.strip() not in rendered:
            raise DamagedFileError(
                "the model's chat template does not render a user's message",
                value=self.name,
                remedy="give a model that is tuned for chat",
            )
        return rendered

    def _render(self, turns: list[dict[str, str]]) -> str | None:
        from jinja2 import TemplateError

        try:
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except TemplateError:
            return None

    def prompt(self, question: Question) -> Ids:
        """Token ids of the rendered prompt; its special tokens are those that the template wrote."""
        ids: Ids = self.tokenizer(self.text(question), add_special_tokens=False)["input_ids"]
        return ids

    def label_ids(self, category: Category) -> list[Ids]:
        """Token ids of each allowed label, as a turn begins with it."""
        return [
            list(self.tokenizer(label, add_special_tokens=False)["input_ids"]) for label in category.answers
        ]
