"""KL and perplexity on neutral text, against whole logits; an arm that is the base; an instruction."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import training_toys as toys
from torch import Tensor

from harness.core.errors import EvaluationError
from harness.evaluation.damage import damage, neutral_texts
from harness.evaluation.requests import RequestStore
from harness.models.instruction import make_instruction

TEXTS = [[2, 9, 10, 11, 12], [2, 30, 31], [2, 8, 9, 10, 40, 41, 42, 43]]


def logprobs(model: Any, ids: list[int]) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
    return found


def test_whole_logits_give_the_same_numbers() -> None:
    base, arm = toys.model(seed=0), toys.model(seed=1)
    found = damage(base, arm, TEXTS, pad_id=0, batch_size=2)
    for ids, one in zip(TEXTS, found, strict=True):
        p, q = logprobs(base, ids)[:-1], logprobs(arm, ids)[:-1]
        wanted = torch.tensor(ids[1:])[:, None]
        assert one.kl == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), abs=1e-5)
        assert one.base_nll == pytest.approx(float(-p.gather(-1, wanted).mean()), abs=1e-5)
        assert one.arm_nll == pytest.approx(float(-q.gather(-1, wanted).mean()), abs=1e-5)
        assert one.kl > 0


def test_the_base_itself_does_no_damage() -> None:
    base = toys.model()
    for one in damage(base, base, TEXTS, pad_id=0, batch_size=3):
        assert one.kl == 0
        assert one.base_nll == one.arm_nll


def test_with_an_instruction_the_texts_own_tokens_are_compared() -> None:
    base, tokenizer = toys.model(), toys.tokenizer()
    made = make_instruction("Hi", tokenizer)
    turn = [{"role": "user", "content": "Why is it so?"}]
    ids = tokenizer.apply_chat_template(turn, tokenize=True, return_dict=False)
    (one,) = damage(base, base, [ids], pad_id=0, batch_size=1, instruction=made)
    p, q = logprobs(base, ids), logprobs(base, made.into_ids(ids))
    place, added = made.place(ids), len(made.ids)
    # The token after the header is predicted at the last of the instruction, all later ones `added` on.
    at = [i if i < place - 1 else i + added for i in range(len(ids) - 1)]
    wanted = torch.tensor(ids[1:])[:, None]
    assert one.arm_nll == pytest.approx(float(-q[at].gather(-1, wanted).mean()), abs=1e-5)
    assert one.kl == pytest.approx(float((p[:-1].exp() * (p[:-1] - q[at])).sum(-1).mean()), abs=1e-5)
    assert one.kl > 0


def evaluated(**tasks: str) -> Any:
    return SimpleNamespace(
        requests={name: SimpleNamespace(prompts_sha256=sha) for name, sha in tasks.items()}
    )


def test_neutral_texts_are_different_prompts_taken_evenly(tmp_path: Path) -> None:
    store = RequestStore(tmp_path, "t")
    store.write("mmlu", "a", [([1, i], [9]) for i in range(6) for _ in range(2)])
    store.write("mc2", "b", [([1, 0], [9]), ([2, 2], [9])])
    texts = neutral_texts(store, evaluated(mmlu="a", mc2="b", gsm8k="c"), 3)
    assert texts == [[1, 0], [1, 2], [1, 4], [2, 2]]


def test_a_run_without_likelihood_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no neutral text"):
        neutral_texts(RequestStore(tmp_path, "t"), evaluated(gsm8k="c"), 3)
