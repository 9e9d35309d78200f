"""Answers side by side: the model's own generation settings change nothing; what is in force is recorded."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fsrl.analysis.generations import Config, answer_to, side_by_side
from harness.core.errors import EvaluationError
from harness.evaluation.generation import outside_lm_eval
from harness.evaluation.score import Ready
from harness.miniature.manifest import BUNDLE
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import load_profile
from harness.training.pairs import Pair

PAIR = Pair.model_validate(
    {
        "prompt": [{"role": "user", "content": "What is the colour of the moon?"}],
        "chosen": [{"role": "assistant", "content": "Grey."}],
        "rejected": [{"role": "assistant", "content": "Gold."}],
    }
)
CONFIG = Config(prompts=1, max_new_tokens=20)


def ready() -> Ready:
    folder = BUNDLE / "model"
    model = load_model(folder, load_profile("miniature").model, torch.device("cpu"))
    arm: Any = SimpleNamespace()
    return Ready(arm, model, load_tokenizer(folder))


def scene(model_dir: Path) -> Any:
    return SimpleNamespace(
        prepared=SimpleNamespace(model_dir=str(model_dir)), profile=load_profile("miniature")
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": 5},
        {"min_length": 400},
        {"repetition_penalty": 9.0},
        {"num_beams": 4, "length_penalty": -5.0},
        {"do_sample": True, "temperature": 9.0},
        {"forced_eos_token_id": 9},
        {"suppress_tokens": list(range(20, 600))},
    ],
    ids=str,
)
def test_the_models_settings_change_nothing(setting: dict[str, Any]) -> None:
    loaded = ready()
    wanted = answer_to(CONFIG, scene(BUNDLE / "model"), "base", loaded, PAIR)
    loaded.model.generation_config.update(**setting)
    assert answer_to(CONFIG, scene(BUNDLE / "model"), "base", loaded, PAIR) == wanted


def test_settings_in_the_models_config_are_refused_by_name() -> None:
    loaded = ready()
    loaded.model.config.num_beams = 2
    with pytest.raises(EvaluationError, match=r"config\.json holds settings"):
        answer_to(CONFIG, scene(BUNDLE / "model"), "base", loaded, PAIR)


def test_what_is_in_force_is_recorded(tmp_path: Path) -> None:
    answer = answer_to(CONFIG, scene(BUNDLE / "model"), "base", ready(), PAIR)
    found = side_by_side(CONFIG, scene(BUNDLE / "model"), {"base": [answer]}, {"base": "Base"}, [PAIR])
    assert found.generation is not None
    assert (found.generation.loop, found.generation.eos_ids) == ("transformers", (1, 5))
    assert (found.generation.max_new_tokens, found.generation.ignored) == (20, {})
    assert found.generation.settings["num_beams"] == 1
    folder = tmp_path / "model"
    shutil.copytree(BUNDLE / "model", folder)
    text = (folder / "generation_config.json").read_text(encoding="utf-8")
    (folder / "generation_config.json").write_text(text.replace("{", '{"num_beams": 3,', 1), encoding="utf-8")
    assert outside_lm_eval(folder, 20).ignored == {"num_beams": 3}
    (folder / "generation_config.json").unlink()
    assert outside_lm_eval(folder, 20).eos_ids == (1,)
