"""An arm with an instruction: its tasks and test pairs are those of the base, asked with the instruction."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import evaluation_toys as toys
import pytest

from baselines.base_lm import Arm, Config
from harness.core.results import PrepareResult
from harness.evaluation.score import Ready, guarded, instruction_of, score_preferences, score_task
from harness.models.base_model import load_model, load_tokenizer, pick_device
from harness.models.instruction import Instruction, make_instruction
from harness.profiles.profile import Profile

WORDS = "Say so."


class Asking(Arm):
    """The base arm, asked with an instruction."""

    def instruction(self, tokenizer: Any) -> Instruction:
        return make_instruction(WORDS, tokenizer)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> PrepareResult:
    root = tmp_path_factory.mktemp("instructed")
    return toys.prepared(toys.write_model(root / "model"), toys.write_rows(root / "data"))


def ready(profile: Profile, inputs: PrepareResult, kind: type[Arm]) -> Ready:
    folder = Path(inputs.model_dir)
    model = load_model(folder, profile.model, pick_device()).eval()
    scene: Any = SimpleNamespace()
    return Ready(kind(Config(), scene), model, load_tokenizer(folder))


@pytest.mark.parametrize("task", ["gsm8k", "truthfulqa_mc2"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_task_gets_the_instructed_ids_and_logs_the_rendered_prompts(
    task: str, shared: bool, inputs: PrepareResult
) -> None:
    profile = toys.toy_profile(share_prefix=shared)
    base, asked = (ready(profile, inputs, kind) for kind in (Arm, Asking))
    plain, told = (score_task(profile, inputs, guarded(profile, one), task) for one in (base, asked))
    assert told.requests.prompts_sha256 == plain.requests.prompts_sha256
    assert told.requests.ids_sha256 != plain.requests.ids_sha256
    assert (plain.requests.instruction, told.requests.instruction) == ("", f"{WORDS}\n\n")
    instruction = instruction_of(asked)
    assert instruction is not None
    assert told.requests.longest_tokens == plain.requests.longest_tokens + len(instruction.ids)
    assert (told.requests.bos_min, told.requests.bos_max) == (1, 1)


def test_test_pairs_are_scored_with_the_instruction_in_their_prompts(inputs: PrepareResult) -> None:
    profile = toys.toy_profile()
    base, asked = (ready(profile, inputs, kind) for kind in (Arm, Asking))
    plain, told = (score_preferences(profile, inputs, one) for one in (base, asked))
    instruction = instruction_of(asked)
    assert instruction is not None
    assert instruction_of(base) is None
    for one, other in zip(plain.rows, told.rows, strict=True):
        assert one["doc_hash"] == other["doc_hash"]
        assert other["tokens"]["prompt"] == one["tokens"]["prompt"] + len(instruction.ids)
        assert other["tokens"]["chosen"] == one["tokens"]["chosen"]
        assert other["metrics"]["loss"] != one["metrics"]["loss"]
