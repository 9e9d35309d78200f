"""Answers of every arm to the same prompts, with the features that are steered most at each token."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from harness.findings.answers import Answer, Conversation, GenerationsResult, Token
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    from fsrl.steer import Steering
    from harness.evaluation.score import Ready
    from harness.models.residual import Read
    from harness.training.pairs import Pair

SUMMARY = "Answers side by side: every arm's greedy answers to the same prompts."
LAYOUT = 1
READS: tuple[str, ...] = ()
ALL_ARMS = True
MARKDOWN = re.compile(r"^\s*(#{1,6} |[-*+] |\d+[.)] |\||>|```)|\*\*[^*]+\*\*|`[^`]+`")
BROKEN = "�"


class Config(Options):
    """Options.

    Attributes:
        prompts: how many, from the front of the test pairs.
        max_new_tokens: bound on an answer.
        features: named at each token.
    """

    prompts: Annotated[int, Field(gt=0)] = 6
    max_new_tokens: Annotated[int, Field(gt=0)] = 96
    features: Annotated[int, Field(gt=0)] = 3


def run(config: Config, scene: StudyScene) -> Found:
    """Answer with every arm, one prompt at a time, so that no padding can matter."""
    from harness.training.pairs import read_pairs

    profile, prepared = scene.profile, scene.prepared
    pairs = read_pairs(Path(prepared.data_root) / profile.data.test, config.prompts, profile.data.system_turn)
    answers = {arm: _answers(config, scene, arm, pairs) for arm in profile.arms}
    titles = {arm: profile.arm(arm).title for arm in profile.arms}
    return Found(side_by_side(config, scene, answers, titles, pairs))


def side_by_side(
    config: Config,
    scene: StudyScene,
    answers: Mapping[str, Sequence[Answer]],
    titles: dict[str, str],
    pairs: Sequence[Pair],
    shown: int | None = None,
) -> GenerationsResult:
    """Answers by name, put side by side for each prompt; means over all of them.

    Args:
        shown: how many prompts, from the front, are kept in full; all where None.
    """
    from harness.evaluation.generation import outside_lm_eval

    conversations = tuple(
        Conversation(
            prompt="\n\n".join(turn.content for turn in pair.prompt),
            answers=tuple(answers[name][i] for name in titles),
        )
        for i, pair in enumerate(pairs[:shown])
    )
    kept = [one for conversation in conversations for one in conversation.answers]
    named = {feature for one in kept for token in one.tokens for feature, _ in token.features}
    return GenerationsResult(
        conversations=conversations,
        titles=titles,
        descriptions={str(feature): scene.feature(feature).description for feature in sorted(named)},
        mean_tokens={name: mean([len(one.tokens) for one in answers[name]]) for name in titles},
        mean_markdown={name: mean([one.markdown for one in answers[name]]) for name in titles},
        max_new_tokens=config.max_new_tokens,
        generation=outside_lm_eval(Path(scene.prepared.model_dir), config.max_new_tokens),
    )


def _answers(config: Config, scene: StudyScene, arm: str, pairs: Sequence[Pair]) -> list[Answer]:
    from tqdm import tqdm

    from harness.evaluation.score import load_ready

    ready = load_ready(scene.profile, scene.paths, arm, scene.prepared)
    bar = tqdm(pairs, desc=f"  answers of {arm}", leave=False, disable=None)
    return [answer_to(config, scene, arm, ready, pair) for pair in bar]


def answer_to(config: Config, scene: StudyScene, name: str, ready: Ready, pair: Pair) -> Answer:
    """The greedy answer to a pair's prompt by the model as it now is.

    Args:
        name: what the answer is filed under.
    """
    import torch

    from fsrl.steer import NAME
    from harness.evaluation.generation import plain_generation
    from harness.evaluation.guard import eos_ids
    from harness.models.residual import residual_reader

    turns = [turn.model_dump() for turn in pair.prompt]
    text = str(ready.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    ids_1xT = torch.tensor([ready.tokenizer(text, add_special_tokens=False)["input_ids"]])
    ids_1xT = ids_1xT.to(ready.model.device)
    generate: Any = ready.model.generate
    with torch.no_grad(), plain_generation(ready.model):
        whole_1xT = generate(
            ids_1xT,
            attention_mask=torch.ones_like(ids_1xT),
            do_sample=False,
            max_new_tokens=config.max_new_tokens,
        )
    new = whole_1xT[0, ids_1xT.shape[1] :].tolist()
    named: list[tuple[tuple[int, float], ...]] = [()] * len(new)
    steering = getattr(ready.model, NAME, None)
    if steering is not None:
        with residual_reader(ready.model, scene.profile.sae.layer) as read:
            named = steered_most(read, steering, whole_1xT[0].tolist(), len(new), config.features)
    parts = pieces(ready.tokenizer, new)
    answer = "".join(parts)
    return Answer(
        arm=name,
        text=answer,
        tokens=tuple(Token(text=part, features=one) for part, one in zip(parts, named, strict=True)),
        markdown=markdown_share(answer),
        ended=len(new) < config.max_new_tokens or new[-1] in eos_ids(ready.model.generation_config),
    )


def steered_most(
    read: Read, steering: Steering, ids: list[int], last: int, first: int
) -> list[tuple[tuple[int, float], ...]]:
    """Features with the largest abs(v), and v, at the positions that produced the `last` tokens."""
    import torch

    from fsrl.adapter import L0_FLOOR

    with torch.no_grad():
        x_NxD = read(torch.tensor([ids[:-1]]))[0, -last:]
        v_NxF = steering.adapter(steering.sae.encoder_input(x_NxD.to(steering.adapter.weight.dtype)))
        _, best_NxK = v_NxF.abs().topk(min(first, v_NxF.shape[-1]), dim=-1)
        values_NxK = v_NxF.gather(-1, best_NxK).float()
    rows = zip(best_NxK.tolist(), values_NxK.tolist(), strict=True)
    return [tuple((i, value) for i, value in zip(*row, strict=True) if abs(value) > L0_FLOOR) for row in rows]


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text that each token adds; together they are the decoded whole. Special tokens add nothing."""
    found, before = [], ""
    for end in range(1, len(ids) + 1):
        text = str(tokenizer.decode(ids[:end], skip_special_tokens=True))
        if end < len(ids) and text.endswith(BROKEN):  # part of a character: shown with its last token
            found.append("")
            continue
        found.append(text[len(before) :])
        before = text
    return found


def markdown_share(text: str) -> float:
    """Share of the lines with text that carry Markdown: a heading, a list item, a table, bold, code."""
    lines = [line for line in text.splitlines() if line.strip()]
    return mean([float(bool(MARKDOWN.search(line))) for line in lines]) if lines else 0.0


def mean(values: Sequence[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)
