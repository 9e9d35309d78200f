"""Preference pairs: what is read, refused, rendered, cut and padded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_toys as toys

from harness.core.errors import DataError, MissingInputError
from harness.core.results import Truncation
from harness.training.pairs import Message, Pair, PairTokens, collate, read_pairs, render_pair, tokenise_pairs


def pair(prompt: str = "Hi", chosen: str = "yes", rejected: str = "no") -> Pair:
    return Pair.model_validate(toys.row(prompt, chosen, rejected))


def test_rows_are_read_from_the_front(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", toys.rows(5))
    assert len(read_pairs(path, 0)) == 5
    assert read_pairs(path, 2) == read_pairs(path, 0)[:2]


def changed(**keys: Any) -> dict[str, Any]:
    return toys.row("Hi", "yes", "no") | keys


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (changed(rejected=[]), "rejected"),
        (changed(rejected=[{"role": "user", "content": "no"}]), "not an assistant's turn"),
        (changed(prompt=[]), "prompt"),
        (changed(prompt=[{"role": "assistant", "content": "x"}]), "last turn"),
        (changed(prompt="Hi"), "prompt"),
        (changed(prompt=[{"role": "robot", "content": "x"}]), "prompt.0.role"),
        ({"prompt": []}, "prompt"),
        (["not", "a", "row"], "row"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, bad: object, cause: str) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [toys.row("a", "b", "c"), bad])
    with pytest.raises(DataError, match=cause) as caught:
        read_pairs(path, 0)
    assert f"{path}, line 2" in str(caught.value)


def test_text_that_is_not_json_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": \n')
    with pytest.raises(DataError, match="not JSON"):
        read_pairs(path, 0)


def test_too_few_rows_and_no_file_are_refused(tmp_path: Path) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", toys.rows(2))
    with pytest.raises(DataError, match="2 rows, 3 wanted"):
        read_pairs(path, 3)
    with pytest.raises(DataError, match="0 rows"):
        read_pairs(toys.write_rows(tmp_path / "empty.jsonl", []), 0)
    with pytest.raises(MissingInputError):
        read_pairs(tmp_path / "none.jsonl", 0)


def test_header_and_end_of_the_turn_belong_to_the_response() -> None:
    prompt, chosen, rejected = render_pair(pair(), toys.tokenizer())
    assert prompt == "<bos><start_of_turn>user\nHi<end_of_turn>\n"
    assert chosen == "<start_of_turn>model\nyes<end_of_turn>\n"
    assert rejected == "<start_of_turn>model\nno<end_of_turn>\n"


def test_chatml_keeps_its_header_in_the_response() -> None:
    tokenizer = toys.tokenizer(toys.CHATML, ["<pad>", "<|im_end|>", "<|im_start|>"])
    prompt, chosen, _ = render_pair(pair(), tokenizer)
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n"
    assert chosen == "<|im_start|>assistant\nyes<|im_end|>\n"
    row = tokenise_pairs([pair()], tokenizer, 99, 50).rows[0]
    assert row.prompt[0] == tokenizer.bos_token_id
    assert row.chosen[-1] == tokenizer.eos_token_id


def test_a_template_that_rewrites_the_prompt_is_refused() -> None:
    rewriting = "{{ bos_token }}{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(DataError, match="differently"):
        render_pair(pair(), toys.tokenizer(rewriting))


def test_a_template_that_refuses_a_system_turn_names_the_roles() -> None:
    refusal = "{{ raise_exception('System role not supported') }}"
    refusing = "{% if messages[0]['role'] == 'system' %}" + refusal + "{% endif %}"
    with_system = pair().model_copy(
        update={"prompt": [Message(role="system", content="s"), Message(role="user", content="u")]}
    )
    with pytest.raises(DataError, match="System role not supported") as caught:
        render_pair(with_system, toys.tokenizer(refusing))
    assert "['system', 'user']" in str(caught.value)


def test_tokens_have_one_bos_and_one_closing_eos() -> None:
    tokenizer = toys.tokenizer()
    row = tokenise_pairs([pair()], tokenizer, 99, 50).rows[0]
    text = "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nyes<end_of_turn>\n<eos>"
    assert tokenizer.decode(row.prompt + row.chosen).replace(" ", "") == text
    assert (row.prompt + row.chosen).count(tokenizer.bos_token_id) == 1
    assert (row.prompt + row.chosen).count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("template", [toys.GEMMA.replace("{{ bos_token }}", ""), "<bos>" + toys.GEMMA])
def test_no_bos_and_two_bos_are_refused(template: str) -> None:
    with pytest.raises(DataError, match="exactly one BOS"):
        tokenise_pairs([pair()], toys.tokenizer(template), 99, 50)


def test_a_long_prompt_keeps_its_bos_and_its_end() -> None:
    tokenizer = toys.tokenizer()
    # prompt: bos, start, "user\n" (5), 40 letters, end, "\n" = 49
    # chosen: start, "model\n" (6), "yes" (3), end, "\n", eos = 13
    long = pair(prompt="x" * 20 + "y" * 20)
    whole = tokenise_pairs([long], tokenizer, 62, 20)
    assert (len(whole.rows[0].prompt), len(whole.rows[0].chosen)) == (49, 13)
    assert whole.truncation == Truncation(pairs=1, truncated_prompts=0, truncated_responses=0)
    cut = tokenise_pairs([long], tokenizer, 61, 20)
    assert cut.truncation == Truncation(pairs=1, truncated_prompts=1, truncated_responses=0)
    assert cut.rows[0].prompt == [tokenizer.bos_token_id, *whole.rows[0].prompt[-19:]]
    assert cut.rows[0].chosen == whole.rows[0].chosen


def test_a_long_response_is_cut_to_the_room_that_is_left() -> None:
    # prompt 11 tokens; chosen 13, rejected 12
    result = tokenise_pairs([pair()], toys.tokenizer(), 23, 20)
    assert result.truncation == Truncation(pairs=1, truncated_prompts=0, truncated_responses=1)
    assert [len(ids) for ids in result.rows[0]] == [11, 12, 12]


def test_a_response_without_a_token_left_is_refused() -> None:
    with pytest.raises(DataError, match="no token of a response"):
        tokenise_pairs([pair()], toys.tokenizer(), 11, 20)


def test_batches_hold_the_chosen_first_and_pad_on_the_right() -> None:
    batch = collate([PairTokens([2, 5], [6, 7], [8]), PairTokens([2], [9], [9, 9])], pad_id=0)
    assert batch.input_ids_BxT.tolist() == [[2, 5, 6, 7], [2, 9, 0, 0], [2, 5, 8, 0], [2, 9, 9, 0]]
    assert batch.attention_mask_BxT.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0]]
    answered = [[False, False, True, True], [False, True, False, False]]
    assert batch.response_mask_BxT[:2].tolist() == answered


def test_real_rows_can_be_read(real_data_root: Path) -> None:
    pairs = read_pairs(real_data_root / "preferences" / "human" / "train.jsonl", 0)
    assert len(pairs) == 2737
    assert all(item.prompt[-1].role == "user" for item in pairs)


def conversation(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


def test_a_merged_system_turn_stands_before_the_first_user_turn(tmp_path: Path) -> None:
    """Gemma's own template refuses it; merged, it renders as a template does that merges by itself."""
    turns = conversation(("system", " Be kind. "), ("user", "Q"), ("assistant", "A"), ("user", "More?"))
    path = toys.write_rows(tmp_path / "p.jsonl", [changed(prompt=turns), changed()])
    read, unchanged = read_pairs(path, 0, "merge")
    assert [turn.content for turn in read.prompt] == ["Be kind.\n\nQ", "A", "More?"]
    assert unchanged == read_pairs(path, 0)[1]
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    strict = toys.tokenizer(refusing + toys.GEMMA)
    merging = render_pair(read_pairs(path, 1)[0], toys.tokenizer())
    assert render_pair(read, strict) == merging
    with pytest.raises(DataError, match="no system") as caught:
        render_pair(read_pairs(path, 1)[0], strict)
    assert "data.system_turn = 'merge'" in caught.value.remedy


def test_an_empty_system_turn_merges_to_nothing(tmp_path: Path) -> None:
    path = toys.write_rows(
        tmp_path / "p.jsonl", [changed(prompt=conversation(("system", "  "), ("user", "Q")))]
    )
    assert [turn.content for turn in read_pairs(path, 0, "merge")[0].prompt] == ["Q"]


@pytest.mark.parametrize(
    "turns",
    [
        conversation(("user", "Q"), ("system", "late"), ("user", "More?")),
        conversation(("system", "a"), ("system", "b"), ("user", "Q")),
        conversation(("system", "a"), ("assistant", "A"), ("user", "Q")),
    ],
)
def test_a_system_turn_with_no_place_is_refused_with_its_line(
    tmp_path: Path, turns: list[dict[str, str]]
) -> None:
    path = toys.write_rows(tmp_path / "p.jsonl", [changed(), changed(prompt=turns)])
    with pytest.raises(DataError, match="only if it is the first turn") as caught:
        read_pairs(path, 0, "merge")
    assert f"{path}, line 2" in str(caught.value)
