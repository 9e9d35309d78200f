"""Quick scores during pre-training, teacher-forced; the recorded scores come from lm-eval."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from harness.miniature.batches import collate, encode
from harness.miniature.corpus import Corpus, Document, Segment, turn
from harness.miniature.evaluation import LARGE_PROBLEMS, choice_sets, problem_sets
from harness.miniature.multiple_choice import identity, make_item
from harness.miniature.prompts import choice_prompt, problem_prompt
from harness.miniature.world import World


def probes(world: World) -> dict[str, list[Document]]:
    """Test items as documents whose weight is 1 on the answer and 0 elsewhere."""
    items = [item for name, rows in choice_sets(world).items() if name.endswith("/test") for item in rows]
    choice = [turn("choice", choice_prompt(one), "ABCD"[one["answer"]], prompt_weight=0.0) for one in items]
    sums = problem_sets(world)["test"]
    problem = [turn("problem", problem_prompt(p.question), p.answer, prompt_weight=0.0) for p in sums]
    corpus = Corpus(world, f"{world.seed}/watch")
    few_shot = [_answer_only(corpus.few_shot()) for _ in range(50)]
    return {
        "choice": choice,
        "problem": problem[:-LARGE_PROBLEMS],
        "large": problem[-LARGE_PROBLEMS:],
        "problems": few_shot,
    }


def fresh_choices(world: World, count: int) -> list[Document]:
    """Multiple-choice questions about the world's facts, in none of its sets, with weight on the letter.

    For choosing settings: the training text may have had them, the test never has.
    """
    corpus = Corpus(world, f"{world.seed}/fresh")
    known = {identity(item) for items in choice_sets(world).values() for item in items}
    found: list[Document] = []
    while len(found) < count:
        item = make_item(corpus.rng, corpus.fact())
        if identity(item) not in known:
            letter = "ABCD"[item["answer"]]
            found.append(turn("choice", choice_prompt(item), letter, prompt_weight=0.0))
    return found


def _answer_only(document: Document) -> Document:
    """The document with weight on its last answer alone."""
    *prompt, answer, stop = document.segments
    return Document(document.kind, (*(Segment(s.text, 0.0) for s in prompt), answer, stop))


@torch.no_grad()
def share_exact(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    documents: Sequence[Document],
    *,
    reduced: bool = True,
) -> float:
    """Share of documents of which greedy decoding, teacher-forced, gives every token of weight 1.

    Args:
        reduced: compute in bfloat16 where torch can.
    """
    model.eval()
    pad_id = int(tokenizer.convert_tokens_to_ids("<pad>"))
    encoded = encode(tokenizer, list(documents))
    exact = 0
    for start in range(0, len(encoded), 50):
        batch = collate(encoded[start : start + 50], pad_id)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            guess = model(input_ids=batch.ids, use_cache=False).logits[:, :-1].argmax(-1)
        wrong = (guess != batch.ids[:, 1:]) & (batch.weights[:, 1:] == 1.0)
        exact += int((~wrong.any(dim=1)).sum())
    return exact / len(encoded)
