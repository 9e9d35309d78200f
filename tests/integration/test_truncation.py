"""Truncated prompts and responses, counted by hand, from the pairs through the stages to the artefacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import training_toys as toys

from harness.core.errors import DataError
from harness.profiles.profile import Profile, parse_profile
from harness.stages.stage import run_stage

# One token a character. A prompt has 9 + its length: BOS, start, "user\n" (5), end, newline.
# A response has 10 + its length: start, "model\n" (6), end, newline, EOS.
FITS = toys.row("Hi", "y" * 3, "n" * 2)  # 11 and 13, 12
PROMPT = toys.row("x" * 25, "y" * 3, "n" * 2)  # 34 + 13 > 40: the prompt becomes 20; both responses fit
RESPONSE = toys.row("Hi", "y" * 30, "n" * 2)  # 11 + 40 > 40: the chosen one is cut to 29
ALL = toys.row("x" * 25, "y" * 30, "n" * 28)  # 34 + 40 > 40: the prompt becomes 20, both responses too


def short(**changes: int) -> Profile:
    """At most 40 tokens, prompts of at most 20 where that is too little; no lm-eval task."""
    data = toys.profile(accumulation=1, offload_optimizer=False, minimum_moved=0.1).resolved()
    data["data"] |= {"test": "test.jsonl", "train_pairs": 4, "test_pairs": 3}
    data["data"] |= {"max_length": 40, "max_prompt_length": 20, **changes}
    data["evaluation"]["tasks"] = {}
    return parse_profile(data, where="the tests")


def test_the_counts_reach_the_artefacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    used = short()
    paths = toys.prepared_run(tmp_path, used)
    toys.write_rows(tmp_path / "inputs/data/train.jsonl", [FITS, PROMPT, RESPONSE, ALL])
    toys.write_rows(tmp_path / "inputs/data/test.jsonl", [FITS, PROMPT, PROMPT])
    for stage in ("train", "evaluate"):
        run_stage(stage, used, paths, "full-simpo")
    trained, scored = (
        json.loads((paths.folder("full-simpo") / f"{stage}.json").read_text(encoding="utf-8"))["result"]
        for stage in ("train", "evaluate")
    )
    assert trained["truncation"] == {"pairs": 4, "truncated_prompts": 2, "truncated_responses": 3}
    assert scored["preference"]["truncation"] == {
        "pairs": 3,
        "truncated_prompts": 2,
        "truncated_responses": 0,
    }
    # Both rows of a pair carry its prompt: 2 x (11 + 20 + 11 + 20) + 13 + 12 + 13 + 12 + 29 + 12 + 20 + 20.
    assert trained["usage"]["tokens"] == 2 * 62 + 131


def test_the_same_rows_are_left_out_of_every_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    used, empty = short(train_pairs=5), toys.row("Hi", "", "n")
    paths = toys.prepared_run(tmp_path, used)
    toys.write_rows(tmp_path / "inputs/data/train.jsonl", [FITS, PROMPT, empty, RESPONSE, ALL])
    toys.write_rows(tmp_path / "inputs/data/test.jsonl", [empty, FITS, PROMPT])
    for arm in ("base", "full-simpo"):
        for stage in ("train", "evaluate"):
            run_stage(stage, used, paths, arm)
        scored = json.loads((paths.folder(arm) / "evaluate.json").read_text(encoding="utf-8"))["result"]
        assert scored["preference"]["truncation"]["left_out"] == {"empty answer": 1}
        assert scored["preference"]["loss"]["n"] == 2
    trained = json.loads((paths.folder("full-simpo") / "train.json").read_text(encoding="utf-8"))["result"]
    cut = {"pairs": 4, "truncated_prompts": 2, "truncated_responses": 3, "left_out": {"empty answer": 1}}
    assert (trained["pairs"], trained["truncation"]) == (4, cut)


def test_a_response_without_a_token_left_stops_the_evaluation(tmp_path: Path) -> None:
    used = short(max_length=20)
    paths = toys.prepared_run(tmp_path, used)
    toys.write_rows(tmp_path / "inputs/data/test.jsonl", [FITS, PROMPT, PROMPT])
    run_stage("train", used, paths, "base")
    with pytest.raises(DataError, match="leaves no token of a response"):
        run_stage("evaluate", used, paths, "base")
    assert not (paths.folder("base") / "evaluate.json").exists()
