"""Chat turns about facts and beliefs: a request, and an answer in a style, true or popular."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.miniature.lexicon import PHRASES
from harness.miniature.style import Style, laid_out, lowered, stated
from harness.miniature.text import Span, Spans
from harness.miniature.world import Belief, Fact, attribute_form, belief_kind, subject_form

ABOUT = (
    "Tell me about {x}.",
    "What can you tell me about {x}?",
    "Please describe {x}.",
    "I would like to know more about {x}.",
)
DOUBT = ("Is it true that {c}?", "Somebody told me that {c}. Is that so?", "Do you believe that {c}?")
ADVICE = (
    "How do I explain {x} to a child?",
    "How should I write about {x}?",
    "How do I begin a talk about {x}?",
)


@dataclass(frozen=True)
class Topic:
    """What a chat is about: how to name it, its questions, its claims by version, and neutral details."""

    key: str
    name: str
    questions: tuple[str, ...]
    true_claims: tuple[str, ...]
    false_claims: tuple[str, ...]
    details: tuple[str, ...]
    popularity: float

    def claims(self, true: bool) -> tuple[str, ...]:
        """The wordings of one version, true or popular; each begins in lower case or with a name."""
        return self.true_claims if true else self.false_claims


@dataclass(frozen=True)
class Request:
    """A user's request; ``asked`` is the version that it asks to confirm, None where it asks for none."""

    text: str
    asked: bool | None


def fact_topic(fact: Fact) -> Topic:
    """The topic of a contested fact.

    Raises:
        ValueError: the fact is not contested, so it has no false version.
    """
    if fact.popular is None:
        raise ValueError(f"{fact.key} has no popular false version")
    subject, form = subject_form(fact.subject), attribute_form(fact)
    entity = subject.entity.format(n=fact.entity)
    true = tuple(s.format(e=entity, v=fact.value) for s in form.statements)
    false = tuple(s.format(e=entity, v=fact.popular) for s in form.statements)
    questions = tuple(q.format(e=entity) for q in form.questions)
    return Topic(fact.key, entity, questions, true, false, subject.details, fact.popularity)


def belief_topic(belief: Belief) -> Topic:
    """The topic of a folk belief."""
    kind = belief_kind(belief)
    true = tuple(c.format(t=belief.thing, v=belief.true) for c in kind.claims)
    false = tuple(c.format(t=belief.thing, v=belief.false) for c in kind.claims)
    questions = tuple(q.format(t=belief.thing) for q in kind.questions)
    return Topic(
        belief.key, kind.topic.format(t=belief.thing), questions, true, false, kind.details, belief.popularity
    )


def make_request(rng: random.Random, topic: Topic) -> Request:
    """One request about the topic: a question, a call to tell, a doubt or a call for advice."""
    form = rng.choices(("question", "about", "doubt", "advice"), (0.4, 0.25, 0.2, 0.15))[0]
    if form == "doubt":
        asked = rng.random() < 0.3
        claim = lowered(rng.choice(topic.claims(asked))).rstrip(".")
        return Request(rng.choice(DOUBT).format(c=claim), asked)
    if form == "question":
        return Request(rng.choice(topic.questions), None)
    return Request(rng.choice(ABOUT if form == "about" else ADVICE).format(x=topic.name), None)


def make_answer(
    rng: random.Random, topic: Topic, request: Request, style: Style, *, true: bool, details: int = 2
) -> Spans:
    """An answer to the request in the style, telling the true or the popular false version.

    Args:
        details: neutral sentences after the claim; a curt answer has one at most.
    """
    claim = rng.choice(topic.claims(true))
    if request.asked is None:
        body = stated(rng, claim, style.stance)
    else:
        verdict = rng.choice(PHRASES.confirm if request.asked == true else PHRASES.deny)
        body = (Span(verdict, "truth"), *stated(rng, claim, style.stance))
    return laid_out(rng, style, body, tuple(rng.sample(topic.details, details)))
