"""The guard on requests: what it counts, and that it sees what a real HFLM run sends to the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from evaluation_toys import prepared, tokenizer_with, toy_profile, write_model, write_rows
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from harness.core.errors import EvaluationError, ProfileError
from harness.core.results import RequestFacts
from harness.evaluation.benchmark import TaskOutcome, quiet
from harness.evaluation.guard import (
    BosRule,
    RequestLog,
    bos_rule,
    check_stops,
    leading_run,
    turn_end_id,
    unpadded,
)
from harness.evaluation.lm import GuardedLM
from harness.evaluation.score import score_task
from harness.miniature.tokenizer import CHAT_TEMPLATE, END, EOS
from harness.models.base_model import load_model, load_tokenizer

CHATML = (
    "{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>assistant\n{% endif %}"
)
ONE = BosRule("exactly_one", 2, 1)


class World:
    """A toy model with its rows, scored task by task."""

    def __init__(self, root: Path, *, positions: int = 1024, stop_at_turn: bool = True) -> None:
        self.model_dir = write_model(root / "model", positions=positions, stop_at_turn=stop_at_turn)
        self.data_root = write_rows(root / "rows")
        self.profile = toy_profile()
        self.model: PreTrainedModel = load_model(self.model_dir, self.profile.model, torch.device("cpu"))
        self.tokenizer = load_tokenizer(self.model_dir)

    def lm(self, *, share_prefix: bool = False) -> GuardedLM:
        with quiet():
            return GuardedLM(
                self.model, self.tokenizer, batch_size=4, chat_template=True, share_prefix=share_prefix
            )

    def score(self, task: str, lm: GuardedLM | None = None) -> TaskOutcome:
        inputs = prepared(self.model_dir, self.data_root)
        return score_task(self.profile, inputs, lm or self.lm(), task)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(
    ("task", "requests"), [("mmlu", 2 * 3 * 4), ("truthfulqa_mc2", 2 + 3 + 2), ("gsm8k", 3)]
)
def test_real_requests_have_one_bos(world: World, task: str, requests: int) -> None:
    facts = world.score(task).requests
    assert (facts.bos_rule, facts.bos_min, facts.bos_max) == ("exactly_one", 1, 1)
    assert (facts.requests, facts.truncated, facts.dropped_system) == (requests, 0, 0)
    assert facts.first_prompt.startswith("<bos><start_of_turn>user\n")
    end, eos = (world.tokenizer.convert_tokens_to_ids(token) for token in (END, EOS))
    assert facts.stop_ids == (tuple(sorted((end, eos))) if task == "gsm8k" else ())


@pytest.mark.parametrize("task", ["mmlu", "gsm8k"])
def test_a_second_bos_is_caught_on_a_real_run(
    world: World, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.tokenizer, "chat_template", "{{ bos_token }}" + CHAT_TEMPLATE.lstrip("\n"))
    with pytest.raises(EvaluationError, match=f"{task}: a request reached the model with 2 BOS") as error:
        world.score(task)
    assert "<bos><bos><start_of_turn>user" in str(error.value.value)


@pytest.mark.parametrize("task", ["mmlu", "gsm8k"])
def test_a_bos_added_after_tokenising_is_caught(
    world: World, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is what the model gets: a second BOS that no tokeniser call would show."""

    def doubled(
        model: torch.nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]
    ) -> None:
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        if ids.shape[1] > 1:
            first = (ids == world.tokenizer.bos_token_id).int().argmax(dim=1)
            ids[torch.arange(len(ids)), first + 1] = world.tokenizer.bos_token_id

    handle = world.model.register_forward_pre_hook(doubled, with_kwargs=True)  # type: ignore[arg-type]
    try:
        with pytest.raises(EvaluationError, match=r"2 BOS|belong to no request"):
            world.score(task)
    finally:
        handle.remove()


def test_a_missing_bos_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = world.lm()
    monkeypatch.setattr(
        GuardedLM, "apply_chat_template", lambda *_args, **_kwargs: "<start_of_turn>user\nhello"
    )
    monkeypatch.setattr(GuardedLM, "tok_encode", lambda _self, text, **_: [ord(c) % 90 + 10 for c in text])
    with pytest.raises(EvaluationError, match="0 BOS tokens instead of 1"):
        world.score("mmlu", lm)


@pytest.mark.parametrize("task", ["mmlu", "truthfulqa_mc2"])
def test_shared_prefixes_change_rounding_only(world: World, task: str) -> None:
    plain, shared = world.score(task), world.score(task, world.lm(share_prefix=True))
    assert plain.requests == shared.requests
    assert plain.samples.keys() == shared.samples.keys()
    pairs = (
        pair for part in plain.samples for pair in zip(plain.samples[part], shared.samples[part], strict=True)
    )
    for one, other in pairs:
        for (logprob, greedy), (again, greedy_again) in zip(
            one["filtered_resps"], other["filtered_resps"], strict=True
        ):
            assert (again, greedy_again) == (pytest.approx(logprob, rel=1e-5), greedy)


def test_the_prefix_is_really_computed_once(world: World) -> None:
    lengths: list[tuple[int, ...]] = []
    handle = world.model.get_decoder().register_forward_pre_hook(
        lambda _m, _a, given: lengths.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    try:
        facts = world.score("truthfulqa_mc2", world.lm(share_prefix=True)).requests
    finally:
        handle.remove()
    seen = sum(rows * columns for rows, columns in lengths)
    assert (1, 0) not in lengths
    assert lengths[0][0] == 1
    assert seen < facts.requests * facts.longest_tokens / 2


@pytest.mark.parametrize("share_prefix", [False, True])
def test_choices_of_one_token_cost_one_row_a_question(world: World, share_prefix: bool) -> None:
    rows: list[int] = []
    handle = world.model.get_decoder().register_forward_pre_hook(
        lambda _m, _a, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    try:
        facts = world.score("mmlu", world.lm(share_prefix=share_prefix)).requests
    finally:
        handle.remove()
    leads = rows.count(1) if share_prefix else 0
    assert (facts.requests, sum(rows) - leads) == (2 * 3 * 4, 2 * 3)


def test_sharing_is_refused_under_an_attention_that_takes_no_such_mask(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.model.config, "_attn_implementation_internal", "flex_attention")
    with pytest.raises(ProfileError, match=r"evaluation\.share_prefix") as error:
        world.lm(share_prefix=True)
    assert error.value.value == "model.attention = flex_attention"


def test_a_generation_ends_at_the_end_of_the_turn(world: World) -> None:
    """A model that says `a`, then ends its turn, then would go on: lm-eval gets `a` and no more."""
    end, letter = (world.tokenizer.convert_tokens_to_ids(token) for token in (END, "a"))
    passes = []

    def speak(_module: torch.nn.Module, _args: object, output: torch.Tensor) -> torch.Tensor:
        passes.append(output.shape[1])
        wanted = letter if len(passes) % 2 else end
        return torch.full_like(output, -9.0).index_fill(-1, torch.tensor([wanted]), 9.0)

    handle = world.model.get_output_embeddings().register_forward_hook(speak)
    try:
        outcome = world.score("gsm8k")
    finally:
        handle.remove()
    assert len(passes) == 2
    assert [sample["resps"] for sample in outcome.samples["gsm8k"][:3]] == [[["a"]]] * 3


def test_a_model_that_does_not_stop_at_the_turn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="run past the end of the turn"):
        World(tmp_path, stop_at_turn=False).score("gsm8k")


@pytest.mark.parametrize("task", ["truthfulqa_mc2", "gsm8k"])
def test_a_prompt_that_lm_eval_would_truncate_is_refused(tmp_path: Path, task: str) -> None:
    with pytest.raises(EvaluationError, match=f"{task}: a request has .* would be truncated to"):
        World(tmp_path, positions=64).score(task)


def test_a_fixed_number_of_shots_is_not_overridden_quietly(world: World, tmp_path: Path) -> None:
    tasks = {"truthfulqa_mc2": {"num_fewshot": 1, "limit": 2}}
    profile = toy_profile(tasks=tasks)
    with pytest.raises(EvaluationError, match="0 shots, the profile asks for 1"):
        score_task(profile, prepared(world.model_dir, world.data_root), world.lm(), "truthfulqa_mc2")


@pytest.mark.parametrize("logprob", [-5000.0, float("nan")])
def test_a_score_that_is_not_finite_names_task_and_item(
    world: World, logprob: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below -745 every probability of a question is 0, and so is what TruthfulQA's MC2 divides by."""
    plain = GuardedLM._loglikelihood_tokens

    def unlikely(lm: GuardedLM, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        found: list[tuple[float, bool]] = plain(lm, requests)
        return [*found[:2], *((logprob, greedy) for _, greedy in found[2:5]), *found[5:]]

    monkeypatch.setattr(GuardedLM, "_loglikelihood_tokens", unlikely)
    with pytest.raises(EvaluationError, match="truthfulqa_mc2: the score of item 1") as error:
        world.score("truthfulqa_mc2")
    assert str(logprob) in str(error.value.value)


def test_a_dropped_system_turn_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = CHAT_TEMPLATE.replace(
        "{%- if messages and messages[0]['role'] == 'system' -%}",
        "{%- if messages[0]['role'] == 'system' -%}{{- raise_exception('no system role') -}}",
    )
    monkeypatch.setattr(world.tokenizer, "chat_template", refusing)
    facts = world.score("mmlu").requests
    assert facts.dropped_system == 2 * 3
    assert "multiple choice" not in facts.first_prompt


def test_the_rule_follows_the_tokenizer() -> None:
    gemma = tokenizer_with(CHAT_TEMPLATE)
    assert bos_rule(gemma, True) == BosRule("exactly_one", gemma.bos_token_id, 1)
    assert bos_rule(gemma, False) == BosRule("exactly_one", gemma.bos_token_id, 1)
    assert bos_rule(tokenizer_with("{{ bos_token }}" + CHAT_TEMPLATE), True).expected == 1
    chatml = tokenizer_with(CHATML, marker_bos=True)
    assert bos_rule(chatml, True) == BosRule("leading_run", chatml.bos_token_id, 1)
    assert turn_end_id(gemma) == gemma.convert_tokens_to_ids(END)
    assert turn_end_id(chatml) == chatml.convert_tokens_to_ids(END)


def test_a_turn_marker_counts_only_at_the_front() -> None:
    rule = BosRule("leading_run", 4, 1)
    assert rule.count([4, 7, 5, 4, 8]) == 1
    assert rule.count([4, 4, 7]) == 2
    assert ONE.count([2, 7, 5, 2]) == 2


def test_a_row_that_nobody_asked_for_is_refused() -> None:
    log = RequestLog("mmlu", ONE)
    log.expect([2, 7], "a")
    with pytest.raises(EvaluationError, match="belong to no request"):
        log.reached([2, 8, 0])


def test_a_request_that_never_reached_the_model_is_refused() -> None:
    log = RequestLog("mmlu", ONE)
    log.expect([2, 7], "a")
    log.expect([2, 8], "b")
    assert log.reached([2, 7, 0, 0]) == 2
    with pytest.raises(EvaluationError, match="1 requests never reached"):
        log.facts()
    with pytest.raises(EvaluationError, match="all requests never reached"):
        RequestLog("mmlu", ONE).facts()


def test_the_digest_covers_every_prompt_and_its_place() -> None:
    def digest(prompts: list[tuple[str, ...]]) -> RequestFacts:
        log = RequestLog("mmlu", ONE)
        log.rendered(prompts)
        log.check([2, 7], "a")
        return log.facts()

    first = digest([("ab", "c"), ("d", "e")])
    assert first == digest([("ab", "c"), ("d", "e")])
    for other in ([("a", "bc"), ("d", "e")], [("d", "e"), ("ab", "c")], [("ab", "c")]):
        assert digest(other).prompts_sha256 != first.prompts_sha256


def test_only_padding_may_follow_a_stop() -> None:
    check_stops([[7, 8, 9], [7, 5, 0, 0], [1, 0, 0]], (1, 5), 0, "gsm8k")
    with pytest.raises(EvaluationError, match="continued after a stop"):
        check_stops([[7, 5, 8, 0]], (1, 5), 0, "gsm8k")


@given(st.lists(st.integers(0, 3), max_size=8))
def test_runs_and_padding_are_what_they_say(ids: list[int]) -> None:
    length = leading_run(ids, 2)
    assert ids[:length] == [2] * length
    assert ids[length : length + 1] != [2]
    kept = unpadded(ids)
    assert [*kept, *[0] * (len(ids) - len(kept))] == ids
    assert kept[-1:] != (0,)
