"""The committed prompts are what lm-eval renders today, and a change of any part of them is seen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from harness.core.errors import DamagedFileError
from harness.evaluation.benchmark import quiet, run_task
from harness.evaluation.committed_prompts import Snapshot, changes, read_snapshot, snapshot_path, text_changes
from harness.evaluation.lm import GuardedLM
from harness.miniature.manifest import BUNDLE
from harness.models.base_model import load_model, load_tokenizer
from harness.profiles.profile import Profile
from harness.sources.bundle.rows import data_root

PROFILES = ("miniature", "miniature-smoke")
TASKS = ("gsm8k", "mmlu", "truthfulqa_mc2")


@pytest.fixture(scope="module", params=PROFILES)
def committed(request: pytest.FixtureRequest) -> Snapshot:
    found = read_snapshot(snapshot_path(request.param))
    assert found is not None
    return found


def test_every_arm_has_every_task_and_the_same_prompts(committed: Snapshot) -> None:
    assert sorted(committed.arms) == ["base", "fsrl", "full-simpo"]
    for arm in committed.arms.values():
        assert sorted(arm.tasks) == list(TASKS)
        assert arm == committed.arms["base"]


def test_the_facts_hold_for_the_bundled_tokenizer(committed: Snapshot) -> None:
    tokenizer = load_tokenizer(BUNDLE / "model")
    template = (BUNDLE / "model" / "chat_template.jinja").read_bytes()
    stops = json.loads((BUNDLE / "model" / "generation_config.json").read_text())["eos_token_id"]
    for arm in committed.arms.values():
        assert arm.chat_template_sha256 == hashlib.sha256(template).hexdigest()
        assert list(arm.tasks["gsm8k"].stop_ids) == sorted(stops)
        for facts in arm.tasks.values():
            text = committed.first_prompts[facts.first_prompt_sha256]
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert facts.bos_min == facts.bos_max == ids.count(tokenizer.bos_token_id) == 1
            assert facts.truncated == 0


@pytest.mark.parametrize("task", TASKS)
def test_lm_eval_renders_the_committed_prompt(
    committed: Snapshot, profile: Profile, task: str, tmp_path: Path
) -> None:
    """The real task on the bundled model, two items; what the first request says does not depend on more."""
    section = profile.evaluation
    with quiet():
        model = load_model(BUNDLE / "model", profile.model, torch.device("cpu"))
        tokenizer = load_tokenizer(BUNDLE / "model")
        lm = GuardedLM(model, tokenizer, batch_size=8, chat_template=section.chat_template)
    short = section.tasks[task].model_copy(update={"limit": 2, "max_new_tokens": 2 if task == "gsm8k" else 0})
    outcome = run_task(task, short, section, lm, data_root(), tmp_path)
    facts = committed.arms["base"].tasks[task]
    assert outcome.requests.first_prompt == committed.first_prompts[facts.first_prompt_sha256]
    assert outcome.requests.stop_ids == facts.stop_ids
    assert outcome.requests.bos_rule == facts.bos_rule


def test_each_change_is_named(committed: Snapshot) -> None:
    base = committed.arms["base"]
    mmlu = base.tasks["mmlu"]
    assert list(changes(committed, committed.arms)) == []
    other = base.model_copy(update={"chat_template_sha256": "0"})
    assert list(changes(committed, {**committed.arms, "base": other})) == ["base: another chat template"]
    for field, value in {"stop_ids": (7,), "bos_max": 2, "first_prompt_sha256": "0", "requests": 1}.items():
        tasks = {**base.tasks, "mmlu": mmlu.model_copy(update={field: value})}
        new = base.model_copy(update={"tasks": tasks})
        assert list(changes(committed, {**committed.arms, "base": new})) == [f"base, mmlu: {field}"]
    assert list(changes(committed, {"base": base})) == [
        "fsrl: not in this run",
        "full-simpo: not in this run",
    ]


def test_a_changed_prompt_is_shown_as_a_diff(committed: Snapshot) -> None:
    base = committed.arms["base"]
    sha = base.tasks["mmlu"].first_prompt_sha256
    tasks = {**base.tasks, "mmlu": base.tasks["mmlu"].model_copy(update={"first_prompt_sha256": "new"})}
    texts = {**committed.first_prompts, "new": committed.first_prompts[sha].replace("A. ", "A) ", 1)}
    new = Snapshot(first_prompts=texts, arms={"base": base.model_copy(update={"tasks": tasks})})
    shown = text_changes(committed, new)
    assert "-A. " in shown
    assert "+A) " in shown


def test_a_text_without_its_digest_is_refused(committed: Snapshot, tmp_path: Path) -> None:
    data = committed.model_dump(mode="json")
    sha = next(iter(data["first_prompts"]))
    data["first_prompts"][sha] += "!"
    (tmp_path / "prompts.json").write_text(json.dumps(data))
    with pytest.raises(DamagedFileError, match="digest"):
        read_snapshot(tmp_path / "prompts.json")
    assert read_snapshot(tmp_path / "none.json") is None
