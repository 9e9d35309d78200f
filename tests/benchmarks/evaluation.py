"""What an evaluation does, base and steered: questions with choices, and a generation, through lm-eval."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from subject import Sizes, build
from training_toys import tokenizer

from fsrl.steer import Steering
from harness.evaluation.benchmark import quiet
from harness.evaluation.lm import GuardedLM

PAPERS_SHARE = Sizes(d_sae=5376, max_length=256)
"""Adapter and whole decode are 11.5 % of the model's FLOPs, as with Gemma-2-2B and 65,536 features."""
ACTIVE = 0.0142
"""Share of the features that steer at a position: the paper's 930 of 65,536."""
QUESTIONS, CHOICES, GENERATIONS, NEW_TOKENS = 4, 4, 8, 8
BOS, FIRST = 2, 5


class Evaluation:
    """One arm; a call scores every question and generates."""

    def __init__(self, steered: bool, sizes: Sizes) -> None:
        subject = build(sizes)
        model, draw = subject.model, np.random.default_rng(sizes.seed)
        if steered:
            adapter = subject.adapter.requires_grad_(False)
            with torch.no_grad():
                few = torch.rand(sizes.d_sae, generator=torch.Generator().manual_seed(1)) < ACTIVE
                adapter.bias.copy_(torch.where(few, 0.02, -0.02))
            Steering(adapter, subject.sae, chunk_features=8192).attach(model, sizes.layer)
        model.generation_config.update(eos_token_id=[1, 4], pad_token_id=0, bos_token_id=BOS)
        with quiet():
            self.lm = GuardedLM(model, tokenizer(), batch_size=16, chat_template=True, share_prefix=True)
        ids = [draw.integers(FIRST, sizes.vocabulary, n).tolist() for n in (sizes.max_length // 4, 24, 12)]
        self.requests: list[Any] = []
        for question in range(QUESTIONS):
            asked = [BOS, *ids[0], FIRST + question, *ids[1]]
            for choice in range(CHOICES):
                self.requests.append(((str(question), str(choice)), asked, [FIRST + choice, *ids[2]]))
        self.prompts = torch.tensor([[BOS, FIRST + row, *ids[1]] for row in range(GENERATIONS)])

    def __call__(self) -> list[tuple[float, bool]]:
        with self.lm.watching("the benchmark"):
            answers: list[tuple[float, bool]] = self.lm._loglikelihood_tokens(self.requests)
        with torch.no_grad():
            exactly = {"min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS, "do_sample": False}
            self.lm.model.generate(self.prompts, attention_mask=torch.ones_like(self.prompts), **exactly)
        return answers
