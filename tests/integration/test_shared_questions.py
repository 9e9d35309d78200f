"""Shared prefixes on models that have learnt something: lm-eval's plain sums, base and steered."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fsrl_toys import toy_adapter, toy_sae
from transformers import PreTrainedModel

from fsrl.steer import NAME, Steering
from harness.core.errors import UnavailableError
from harness.evaluation.benchmark import quiet
from harness.evaluation.lm import GuardedLM
from harness.miniature.manifest import BUNDLE
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import load_profile
from harness.sources.gguf.model import converted, find_gguf

QUESTIONS = {
    "What is the colour of the moon?": (" It is grey.", " It is as gold as a ring.", " Grey"),
    "Who lives in the city by the sea, and why do they not leave it when the river rises?": (
        " Nobody knows.",
        " They do.",
    ),
    "Answer:": (" A", " B", " C", " D"),
}


def miniature() -> tuple[PreTrainedModel, Any]:
    folder = BUNDLE / "model"
    return load_model(folder, load_profile("miniature").model, torch.device("cpu")), load_tokenizer(folder)


def smollm2() -> tuple[PreTrainedModel, Any]:
    section = load_profile("smollm2-135m").model
    pytest.importorskip("gguf")
    try:
        folder = converted(find_gguf(section)).folder
    except UnavailableError as error:
        pytest.skip(str(error))
    return load_model(folder, section, torch.device("cpu")), load_tokenizer(folder)


def answers(model: PreTrainedModel, tokenizer: Any, *, share: bool) -> list[tuple[float, bool]]:
    with quiet():
        lm = GuardedLM(model, tokenizer, batch_size=5, chat_template=True, share_prefix=share)
    shots = "The following are questions and answers. " * 4
    requests = []
    for question, choices in QUESTIONS.items():
        turn = [{"role": "user", "content": shots + question}]
        context = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.encode(context, add_special_tokens=False)
        for choice in choices:
            asked = tokenizer.encode(choice, add_special_tokens=False)
            requests.append(((context, choice), ids, asked))
    with lm.watching("a test"):
        found: list[tuple[float, bool]] = lm._loglikelihood_tokens(requests)
    lm.log.facts()
    return found


@pytest.mark.parametrize("build", [miniature, smollm2])
@pytest.mark.parametrize("steered", [False, True])
def test_the_sums_are_the_plain_paths(build: Any, steered: bool) -> None:
    """To 2e-5 of each sum, in float32."""
    model, tokenizer = build()
    width = int(model.config.hidden_size)
    if steered:
        adapter = toy_adapter(width, 200)
        adapter.bias.data.sub_(2.0)  # few features steer
        Steering(adapter.requires_grad_(False), toy_sae(width, 200)).attach(model, 1)
        assert hasattr(model, NAME)
    plain, shared = (answers(model, tokenizer, share=share) for share in (False, True))
    assert len(plain) == sum(map(len, QUESTIONS.values()))
    assert [greedy for _, greedy in shared] == [greedy for _, greedy in plain]
    assert [total for total, _ in shared] == pytest.approx([total for total, _ in plain], rel=2e-5, abs=2e-5)
