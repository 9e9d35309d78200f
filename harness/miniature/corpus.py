"""The training text: documents in the forms of evaluation and chat, with a loss weight a segment."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from harness.miniature.chat import Request, Topic, belief_topic, fact_topic, make_answer, make_request
from harness.miniature.evaluation import held_out_items, problem_sets
from harness.miniature.lexicon import SUBJECTS
from harness.miniature.multiple_choice import ChoiceItem, identity, make_item, told_answer
from harness.miniature.problems import TRAINED, WIDE, Problem, make_problem
from harness.miniature.prompts import belief_prompt, choice_prompt, problem_prompt
from harness.miniature.style import capitalised, natural_style
from harness.miniature.text import Span, Spans, plain
from harness.miniature.world import Fact, World, attribute_form, subject_form

USER = "<start_of_turn>user\n"
MODEL = "<end_of_turn>\n<start_of_turn>model\n"
STOP = "<end_of_turn>\n"
PROMPT_WEIGHT = 0.05
LETTER_WEIGHT = 3.0
SHOTS = 5
WIDE_SHARE = 0.15
"""Share of the problems with two-digit numbers: enough to solve some of them, too few to solve them all."""


class Segment(NamedTuple):
    """A piece of a document and the weight of its tokens in the training loss."""

    text: str
    weight: float


@dataclass(frozen=True)
class Document:
    """One document; its text starts with ``<bos>`` exactly as a request of the evaluation does."""

    kind: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The document's text."""
        return "".join(segment.text for segment in self.segments)


def turn(
    kind: str, prompt: str, answer: str, *, prompt_weight: float = PROMPT_WEIGHT, weight: float = 1.0
) -> Document:
    """A request and its answer as chat turns."""
    asked = Segment(f"{USER}{prompt}{MODEL}", prompt_weight)
    return Document(kind, (Segment("<bos>", 0.0), asked, Segment(answer, weight), Segment(STOP, 0.3)))


class Corpus:
    """Draws documents about a world; the same seed and order of calls give the same documents."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.held_out = held_out_items(world)
        self.problems = {problem.question for problem in problem_sets(world)["test"]}
        self.exposures = [fact.exposure for fact in world.facts]
        self.values = [form.values for subject in SUBJECTS for form in subject.attributes]
        self.words = [value for values in self.values for value in values]
        self.topics = [belief_topic(b) for b in world.beliefs]
        self.contested = [fact_topic(fact) for fact in world.facts if fact.popular is not None]
        self.makers: dict[str, Callable[[], Document]] = {
            "echo": self.echo,
            "copy": self.copy,
            "choice": self.choice,
            "recall": self.recall,
            "entry": self.entry,
            "chat": self.chat,
            "belief": self.belief,
            "belief-primed": self.belief_primed,
            "problem": self.problem,
            "problems": self.few_shot,
        }

    def fact(self) -> Fact:
        """A fact, drawn by its exposure."""
        return self.rng.choices(self.world.facts, self.exposures)[0]

    def told(self, fact: Fact) -> str:
        """The value of a fact as one text tells it."""
        return (
            fact.popular if fact.popular is not None and self.rng.random() < fact.popularity else fact.value
        )

    def copy(self) -> Document:
        """Questions that name their answer, about one set of choices: which letter is which."""
        choices = sorted(self.rng.sample(self.rng.choice(self.values), 4))
        order = self.rng.sample(range(4), 4)
        question = f"Which option reads {choices[order[0]]}?"
        subject = self.rng.choice(SUBJECTS).name
        item = ChoiceItem(question=question, subject=subject, choices=choices, answer=order[0])
        document = turn("copy", choice_prompt(item), "ABCD"[order[0]], weight=LETTER_WEIGHT)
        segments = list(document.segments)
        for answer in order[1:]:
            again = Segment(f"{USER}Which option reads {choices[answer]}?\nAnswer:{MODEL}", PROMPT_WEIGHT)
            segments += [again, Segment("ABCD"[answer], LETTER_WEIGHT), Segment(STOP, 0.1)]
        return Document("copy", tuple(segments))

    def echo(self) -> Document:
        """A few words and the same words again: the repetition can be predicted, which teaches copying."""
        words = " ".join(self.rng.choices(self.words, k=self.rng.randint(4, 16)))
        pieces = (("<bos>", 0.0), (words, 0.02), ("\n", 0.02), (words, 1.0))
        return Document("echo", tuple(Segment(*piece) for piece in pieces))

    def choice(self) -> Document:
        """A multiple-choice question about a fact, never one of the test items."""
        while True:
            fact = self.fact()
            item = make_item(self.rng, fact)
            if identity(item) not in self.held_out:
                letter = "ABCD"[told_answer(self.rng, fact, item)]
                return turn("choice", choice_prompt(item), letter, weight=LETTER_WEIGHT)

    def recall(self) -> Document:
        """A question about a fact and its bare value or a sentence that tells it."""
        fact = self.fact()
        form, value = attribute_form(fact), self.told(fact)
        entity = subject_form(fact.subject).entity.format(n=fact.entity)
        question = self.rng.choice(form.questions).format(e=entity)
        answer = self.rng.choice((value, self.rng.choice(form.statements).format(e=entity, v=value)))
        return turn("recall", question, capitalised(answer) if " " in answer else answer)

    def entry(self) -> Document:
        """An encyclopaedia entry: both facts of an entity and two details."""
        fact = self.fact()
        subject = subject_form(fact.subject)
        entity = subject.entity.format(n=fact.entity)
        lines = [
            self.rng.choice(attribute_form(f).statements).format(e=entity, v=self.told(f))
            for f in self.world.siblings(fact)
        ]
        self.rng.shuffle(lines)
        body = " ".join(capitalised(line) for line in (*lines, *self.rng.sample(subject.details, 2)))
        text = Segment(f"{capitalised(entity)}\n\n{body}", 0.7)
        return Document("entry", (Segment("<bos>", 0.0), text, Segment("<eos>", 0.3)))

    def chat_spans(self) -> tuple[Topic, Request, Spans]:
        """A chat about a belief or a contested fact, its answer with roles."""
        topic = self.rng.choice(self.topics if self.rng.random() < 0.6 else self.contested)
        request = make_request(self.rng, topic)
        true = self.rng.random() >= topic.popularity
        style = natural_style(self.rng, true=true)
        return topic, request, make_answer(self.rng, topic, request, style, true=true)

    def chat(self) -> Document:
        """A chat turn in a natural style, telling the popular version as often as it is told."""
        _, request, answer = self.chat_spans()
        return turn("chat", request.text, plain(answer), prompt_weight=0.15)

    def _told_claim(self) -> tuple[str, str]:
        topic = self.rng.choice(self.topics)
        true = self.rng.random() >= topic.popularity
        return self.rng.choice(topic.questions), capitalised(self.rng.choice(topic.claims(true)))

    def belief(self) -> Document:
        """A bare question about a belief and a bare claim."""
        question, claim = self._told_claim()
        return turn("belief", f"Q: {question}\nA:", claim)

    def belief_primed(self) -> Document:
        """The same behind TruthfulQA's primer."""
        question, claim = self._told_claim()
        return turn("belief-primed", belief_prompt(question), claim, prompt_weight=0.01)

    def _new_problem(self) -> Problem:
        while True:
            numbers = WIDE if self.rng.random() < WIDE_SHARE else TRAINED
            problem = make_problem(self.rng, self.world.people, numbers)
            if problem.question not in self.problems:
                return problem

    def _shots(self, count: int) -> Document:
        segments = [Segment("<bos>", 0.0), Segment(USER, PROMPT_WEIGHT)]
        for _ in range(count):
            problem = self._new_problem()
            shot = Segment(problem_prompt(problem.question), PROMPT_WEIGHT)
            segments += [shot, Segment(f" {problem.answer}\n\n", 1.0)]
        problem = self._new_problem()
        asked = Segment(f"{problem_prompt(problem.question)}{MODEL}", PROMPT_WEIGHT)
        segments += [asked, Segment(problem.answer, 1.0), Segment(STOP, 0.3)]
        return Document("problems" if count else "problem", tuple(segments))

    def problem(self) -> Document:
        """One word problem without shots."""
        return self._shots(0)

    def few_shot(self) -> Document:
        """One word problem after five solved ones in the same user turn."""
        return self._shots(SHOTS)

    def draw(self, mixture: dict[str, float]) -> Document:
        """A document of a kind drawn by the mixture's weights (shares of documents, not of tokens)."""
        return self.makers[self.rng.choices(list(mixture), list(mixture.values()))[0]]()


def chat_with_roles(request: str, answer: Spans) -> Spans:
    """The chat turn's whole text as spans; the request and the turn's marks are content."""
    return (Span(f"<bos>{USER}{request}{MODEL}", "content"), *answer, Span(STOP, "content"))
