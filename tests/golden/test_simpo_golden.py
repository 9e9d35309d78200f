"""SimPO's loss, log-probabilities and template against numbers and texts of its official trainer."""

from __future__ import annotations

import json
from pathlib import Path

import fsrl_toys
import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file

from baselines.base_lm import Arm, Config
from harness.evaluation import preference
from harness.training.loss import simpo_losses
from harness.training.pairs import Pair, PairBatch, PairTokens, render_pair


@pytest.fixture
def golden(golden_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(golden_dir / "simpo_loss.safetensors")


def test_logprobs_are_the_official_ones(golden: dict[str, torch.Tensor]) -> None:
    labels = golden["labels"]
    batch = PairBatch(labels.clamp(min=0), torch.ones_like(labels), labels != -100)
    chosen, rejected = toys.mean_response_logprobs(golden["logits"], batch).chunk(2)
    torch.testing.assert_close(chosen, golden["chosen_logps"], atol=1e-5, rtol=0)
    torch.testing.assert_close(rejected, golden["rejected_logps"], atol=1e-5, rtol=0)


def test_losses_are_the_official_ones(golden: dict[str, torch.Tensor]) -> None:
    losses = simpo_losses(golden["chosen_logps"], golden["rejected_logps"], beta=10.0, gamma=5.0)
    torch.testing.assert_close(losses, golden["losses"], atol=1e-5, rtol=0)


def test_the_margin_gives_the_official_hinge_losses_too(golden: dict[str, torch.Tensor]) -> None:
    """The official code knows a second loss of the same margin, max(0, 1 - margin); no profile uses it.

    The margin beta * (chosen - rejected) - gamma is read back from this harness' loss, -log sigmoid(margin).
    """
    chosen, rejected = golden["chosen_logps"].double(), golden["rejected_logps"].double()
    margins = -torch.expm1(simpo_losses(chosen, rejected, beta=10.0, gamma=5.0)).log()
    hinge = torch.relu(1 - margins).float()
    torch.testing.assert_close(hinge, golden["hinge_losses"], atol=1e-5, rtol=0)


def test_the_file_holds_nothing_that_is_not_reproduced(golden: dict[str, torch.Tensor]) -> None:
    logprobs = {"chosen_logps", "rejected_logps", "chosen_rewards", "rejected_rewards"}
    assert set(golden) == {"logits", "labels"} | logprobs | {"losses", "hinge_losses"}


def test_rewards_are_the_official_ones(
    golden: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the evaluation makes of the official log-probabilities."""
    logprobs = torch.cat([golden["chosen_logps"], golden["rejected_logps"]])
    monkeypatch.setattr(preference, "response_logprobs", lambda *_: logprobs)
    arm = Arm(Config(), fsrl_toys.toy_scene(Path()))
    found, _ = preference._score_batch(toys.model(), arm, [PairTokens([2], [5], [6])] * 3, 0, 10.0, 5.0)
    for place, name in enumerate(("losses", "chosen_rewards", "rejected_rewards")):
        torch.testing.assert_close(
            torch.tensor([one[place] for one in found]), golden[name], atol=1e-5, rtol=0
        )


def test_template_is_the_official_one(golden_dir: Path) -> None:
    for case in json.loads((golden_dir / "simpo_template.json").read_text(encoding="utf-8")):
        chosen, rejected = case["input"]["chosen"], case["input"]["rejected"]
        pair = Pair.model_validate({"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]})
        wanted = (case["text_prompt"], case["text_chosen"], case["text_rejected"])
        assert render_pair(pair, toys.tokenizer()) == wanted
